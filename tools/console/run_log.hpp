// SPDX-License-Identifier: Apache-2.0
// The log of one run: everything the machine said, with guest consoles marked, and how the run ended.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tools/console/frame.hpp"

namespace bulkhead::tool {

/// Writes the log file and watches for the two lines that end a run.
class RunLog {
  public:
    /// Creates the file and the directories above it.
    explicit RunLog(std::filesystem::path file);

    void kernel_text(std::string_view bytes) { kernel_.feed(bytes); }
    void channel(unsigned number, std::string_view bytes);
    /// Completes unfinished lines.
    void finish();

    [[nodiscard]] const std::filesystem::path& file() const { return file_; }
    /// The N of "bulkhead: system halted (status N)", once printed.
    [[nodiscard]] std::optional<int> halt_status() const { return halt_status_; }
    [[nodiscard]] bool panicked() const { return panicked_; }
    /// Names from lines "console: channel N = vm NAME".
    [[nodiscard]] const std::map<unsigned, std::string>& channel_names() const { return names_; }
    /// The last lines of kernel and system log, for messages about a failed run.
    [[nodiscard]] std::string tail() const { return recent_; }
    /// The last lines of a guest's console.
    [[nodiscard]] std::string guest_tail(unsigned channel) const;

  private:
    void line(std::string_view text);
    void guest_line(unsigned channel, std::string_view text);
    void write(std::string_view text);

    std::filesystem::path file_;
    std::ofstream stream_;
    LineSplitter kernel_;
    LineSplitter system_;
    std::map<unsigned, LineSplitter> guests_;
    std::map<unsigned, std::string> names_;
    std::optional<int> halt_status_;
    bool panicked_ = false;
    std::string recent_;
    std::map<unsigned, std::string> guest_recent_;
};

/// A name for a new log file: logs/NAME-DATE-PID.log.
[[nodiscard]] std::filesystem::path new_log_name(const std::filesystem::path& directory, std::string_view name);

}  // namespace bulkhead::tool
