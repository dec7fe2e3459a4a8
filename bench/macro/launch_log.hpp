// SPDX-License-Identifier: Apache-2.0
// What bench/peers/launch prints, taken apart.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::bench {

/// One line of the command that started with '@', and the state of the rig at that time.
struct LaunchLine {
    std::uint64_t ticks = 0;
    std::string text;  ///< from '@' on
    std::map<std::string, std::int64_t> counters = {};
    std::map<std::string, std::vector<std::string>> files = {};
};

/// One run of `launch`.
struct Launch {
    std::uint64_t start_ticks = 0;
    std::optional<std::uint64_t> first_output_ticks = {};
    std::vector<LaunchLine> lines = {};
    std::optional<std::uint64_t> end_ticks = {};
    int status = -1;
    std::uint64_t idle_ns = 0;
    std::size_t snapshot = 0;  ///< index of the line that counters and files belong to now

    /// The first line that starts so, or null.
    [[nodiscard]] const LaunchLine* find(std::string_view prefix) const;
};

/// Collects the runs of one rig from its output, line by line; other lines are left alone.
class LaunchLog {
  public:
    void line(std::string_view text);
    [[nodiscard]] const std::map<std::string, Launch>& launches() const { return launches_; }
    [[nodiscard]] const Launch* find(const std::string& name) const;

  private:
    std::map<std::string, Launch> launches_;
};

/// A row of a histogram of the kernel's tracer: "{ rw: 1, port: 1016 } hitcount: 12".
struct HistogramRow {
    std::map<std::string, std::uint64_t> keys;
    std::uint64_t count = 0;
};
[[nodiscard]] std::vector<HistogramRow> parse_histogram(const std::vector<std::string>& lines);

/// The number behind the first occurrence of `word` and blanks, if there is one.
[[nodiscard]] std::optional<std::uint64_t> number_after(std::string_view text, std::string_view word);

}  // namespace bulkhead::bench
