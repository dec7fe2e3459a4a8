// SPDX-License-Identifier: Apache-2.0
// What boot found out about the machine and the boot loader's modules, for the root task. Filled on the bootstrap
// processor, constant afterwards.
#pragma once

#include <algorithm>
#include <string_view>

#include "abi/layout.hpp"
#include "base/address.hpp"
#include "base/range.hpp"
#include "base/static_vector.hpp"

namespace bulkhead::kernel {

/// Copies text into an array, NUL-terminated; what does not fit is cut.
template <std::size_t Capacity>
void copy_text(char (&to)[Capacity], std::string_view text) {
    const std::size_t length = std::min(text.size(), Capacity - 1);
    for (std::size_t i = 0; i < length; ++i) to[i] = text[i];
    to[length] = '\0';
}

/// A file the boot loader loaded; starts on a page. Its first word is its name, the rest its arguments.
struct BootModule {
    Range physical;
    char name[sizeof(abi::RootModule::name)] = {};
    char arguments[sizeof(abi::RootModule::arguments)] = {};
};

struct BootInformation {
    static constexpr std::size_t max_ranges = abi::max_root_memories;

    StaticVector<Range, max_ranges> memory;   // free RAM in whole pages, largest first
    StaticVector<Range, max_ranges> devices;  // physical addresses that are not RAM, without APICs, largest first
    StaticVector<BootModule, abi::max_root_modules> modules;
    Range kernel_pool;
    char command_line[sizeof(abi::RootInformation::command_line)] = {};
    PhysicalAddress acpi_root_table;  // XSDT or RSDT; 0: none
    uint64_t tsc_hz = 0;
};

/// Where boot ends and the system begins: makes the root task from the boot module named init and runs it, on the
/// bootstrap processor; the other CPUs go to `cpu_idle_forever` (cpu.hpp) at the same time.
[[noreturn]] void start_root_task(const BootInformation& information);

}  // namespace bulkhead::kernel
