// SPDX-License-Identifier: Apache-2.0
// A run of a system seen from the host: interactive, or one command in a guest.
#pragma once

#include <chrono>
#include <string>

#include "tools/console/exec_output.hpp"
#include "tools/console/run_log.hpp"
#include "tools/machine/launch.hpp"

namespace bulkhead::tool {

/// How a run ended, in the exit status of the tool.
struct SessionResult {
    int status;
    std::string problem = {};  ///< what went wrong, when the run itself failed
};

/// The terminal is the consoles of the guests until the system halts or the user leaves.
[[nodiscard]] SessionResult interactive_session(Machine& machine, RunLog& log);

/// Prints the output of one command in the guest of channel 1; the result's status is the command's.
[[nodiscard]] SessionResult exec_session(Machine& machine, RunLog& log, const std::string& token,
                                         std::chrono::seconds limit, const ExecOutput::Sink& output);

/// Runs to the halt line. Kernel text and system log go to `watch`, if given, as they arrive.
[[nodiscard]] SessionResult plain_session(Machine& machine, RunLog& log, std::chrono::seconds limit,
                                          const std::function<void(std::string_view)>& watch = {});

/// Exit status of a run that failed as a whole, as opposed to a command in the guest that failed.
constexpr int kRunFailed = 125;

}  // namespace bulkhead::tool
