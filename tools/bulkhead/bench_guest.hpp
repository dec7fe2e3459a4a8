// SPDX-License-Identifier: Apache-2.0
// The Google Benchmark program of bench/guest inside Debian, as Bulkhead's guest: what it needs in the guest, what it
// prints, and what Bulkhead counted beside it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bulkhead/bench_figures.hpp"
#include "tools/console/frame.hpp"
#include "tools/machine/layout.hpp"
#include "tools/machine/platform.hpp"

namespace bulkhead::tool {

struct GuestBench {
    Platform platform = Platform::QemuSvm;
    unsigned cpus = 1;
    std::string filter = {};  ///< regular expression on names; empty: all
    unsigned repetitions = 1;
    std::optional<double> minimum_time_s = {};
    std::chrono::seconds limit = {};
    std::filesystem::path log = {};
};

struct GuestBenchResult {
    std::string json = {};            ///< Google Benchmark's, of all that finished; empty: nothing did
    std::vector<std::string> exits = {};  ///< what the monitor counted, a line for each vCPU
    int status = 0;
    std::string problem = {};
};

/// What the program prints, taken apart: the table as it comes, and the JSON.
class GuestBenchOutput {
  public:
    using Sink = std::function<void(std::string_view)>;
    explicit GuestBenchOutput(Sink table);

    void feed(std::string_view text) { lines_.feed(text); }
    void finish();
    /// Complete also if the program is not: what it had finished is kept. Empty if that is nothing.
    [[nodiscard]] std::string json() const;

  private:
    Sink table_;
    std::string json_;
    bool finishing_ = false;
    LineSplitter lines_;
};

/// The files that must be in the guest's /bulkhead: the program, the libraries it is linked with, Linux's MSR driver.
/// `work` is for what has to be made. Throws Error when something is missing.
[[nodiscard]] std::map<std::string, std::filesystem::path> guest_bench_files(const Layout& layout,
                                                                             const std::filesystem::path& work);
/// A benchmark's name as people know it, and with what Google Benchmark puts behind it.
struct GuestBenchName {
    std::string shown;
    std::string full;
};
/// Those of the program's list.
[[nodiscard]] std::vector<GuestBenchName> parse_guest_bench_names(std::string_view text);
/// Those a filter matches; needs no machine. Throws Error on a bad expression and when there are none.
[[nodiscard]] std::vector<GuestBenchName> list_guest_bench(const Layout& layout, const std::string& filter);

/// The command that runs them in the guest.
[[nodiscard]] std::string guest_bench_command(const GuestBench& bench, const std::vector<GuestBenchName>& names,
                                              const std::string& commit);
/// What the guest's kernel is told: user space may map device memory that a driver has.
constexpr const char* kGuestBenchCommandLine = "console=ttyS0 quiet loglevel=1 iomem=relaxed";

/// Files of `ldd`'s output by the names the program asks for.
[[nodiscard]] std::map<std::string, std::filesystem::path> parse_ldd(std::string_view text);
/// The monitor's lines with its exits, without their prefix.
[[nodiscard]] std::vector<std::string> exit_lines(std::string_view log);

/// What is wrong with the figures of a run of `names` in which nothing may be skipped; empty: nothing.
[[nodiscard]] std::vector<std::string> judge_guest_bench(const GuestBenchResult& result, const std::vector<GuestBenchName>& names);

[[nodiscard]] GuestBenchResult run_guest_bench(const Layout& layout, const GuestBench& bench, const GuestBenchOutput::Sink& table);

}  // namespace bulkhead::tool
