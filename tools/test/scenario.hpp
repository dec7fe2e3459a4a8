// SPDX-License-Identifier: Apache-2.0
// tests/scenarios/*.toml: whole systems booted, with what they must print.
#pragma once

#include <cstdint>
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
    /// Not empty: the run must fail, with a message that matches these.
    std::vector<std::string> expect_problem = {};
    std::vector<unsigned> cpus = {};    ///< one run for each: the guest's CPUs; empty: as the manifest says
    /// Not 0: what the command printed is the time, in seconds since 1970, at most so far from this machine's.
    unsigned clock_tolerance_s = 0;
    std::string cmdline = {};           ///< the guest's command line instead of the manifest's
    std::string kernel_arguments = {};  ///< appended to Bulkhead's command line
    std::string qemu_cpu = {};          ///< processor model on qemu-svm
    std::string bochs_cpu = {};         ///< processor model on bochs-vmx
    std::uint64_t machine_memory_bytes = 0;         ///< not 0: the machine's memory, whatever the manifest needs
    std::vector<std::string> broken_modules = {};   ///< boot modules whose content is nonsense
    std::vector<std::string> missing_modules = {};  ///< boot modules left out of the image
    std::vector<Platform> platforms = {Platform::QemuSvm, Platform::BochsVmx};
    unsigned timeout_s = 120;           ///< on qemu-svm; slower platforms get their multiple
    bool uefi = false;
    bool exit_device = true;            ///< false: the system must switch the machine off (QEMU only)
};

/// What a run of a scenario gave.
struct ScenarioOutcome {
    int status = 0;
    std::string output = {};
    std::string log = {};      ///< with names of functions behind the lines of backtraces
    std::string problem = {};  ///< what the tool says about a run that failed
    std::int64_t clock_error_s = 0;  ///< how far the time it printed is from this machine's
};

/// Parses one file; throws Error with file and line on anything wrong or unknown.
[[nodiscard]] Scenario parse_scenario(std::string_view text, std::string_view file_name, std::string_view name);

/// Checks what a run of `scenario` gave; the sentence that says what is wrong, or nothing.
[[nodiscard]] std::optional<std::string> judge(const Scenario& scenario, const ScenarioOutcome& outcome);

}  // namespace bulkhead::tool
