// SPDX-License-Identifier: Apache-2.0
// tests/system/suites.toml: on which machines each system test program runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/machine/platform.hpp"
#include "tools/machine/size.hpp"

namespace bulkhead::tool {

/// One `[[suite]]`.
struct Suite {
    std::string program;                ///< build/.../programs/NAME, the root task of the run
    std::vector<unsigned> cpus = {1};   ///< one run for each number of CPUs
    std::vector<Platform> platforms = {Platform::QemuSvm, Platform::BochsVmx};
    unsigned timeout_s = 60;            ///< on qemu-svm; slower platforms get their multiple
    std::uint64_t memory_bytes = mebibytes(512);
    std::string arguments = {};         ///< appended to the kernel's command line
    std::string qemu_cpu = {};          ///< processor model on qemu-svm, e.g. "max,-la57"
    std::string bochs_cpu = {};         ///< processor model on bochs-vmx
    bool counted = false;               ///< qemu-svm: the TSC counts instructions
};

/// Parses the file's text; throws Error with file and line on anything wrong or unknown.
[[nodiscard]] std::vector<Suite> parse_suites(std::string_view text, std::string_view file_name);

}  // namespace bulkhead::tool
