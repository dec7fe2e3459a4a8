// SPDX-License-Identifier: Apache-2.0
// tests/scenarios/*.toml: whole systems booted, with what they must print.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/machine/platform.hpp"

namespace bulkhead::tool {

struct Scenario {
    std::string name;                   ///< the file's name
    std::string system = {};            ///< manifest, relative to the source tree; empty: the default system
    std::string exec = {};              ///< command for the guest; empty: run until the system halts
    int status = 0;                     ///< expected exit status of the command, or of the system
    std::vector<std::string> expect = {};      ///< regular expressions the command's output must match
    std::vector<std::string> expect_log = {};  ///< the same for the system's log
    std::vector<std::string> reject_log = {};  ///< and those the log must not match
    std::vector<unsigned> cpus = {};    ///< one run for each: the guest's CPUs; empty: as the manifest says
    std::string cmdline = {};           ///< the guest's command line instead of the manifest's
    std::string kernel_arguments = {};  ///< appended to Bulkhead's command line
    std::vector<Platform> platforms = {Platform::QemuSvm, Platform::BochsVmx};
    unsigned timeout_s = 120;           ///< on qemu-svm; slower platforms get their multiple
    bool uefi = false;
};

/// Parses one file; throws Error with file and line on anything wrong or unknown.
[[nodiscard]] Scenario parse_scenario(std::string_view text, std::string_view file_name, std::string_view name);

/// Checks what a run of `scenario` printed; the sentence that says what is wrong, or nothing.
[[nodiscard]] std::optional<std::string> judge(const Scenario& scenario, int status, const std::string& output,
                                               const std::string& log);

}  // namespace bulkhead::tool
