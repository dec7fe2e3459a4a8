// SPDX-License-Identifier: Apache-2.0
// What boot found out about the machine and who gets which physical memory, for the root task. Filled on the bootstrap
// processor, constant afterwards.
#pragma once

#include "kernel/platform/acpi.hpp"
#include "kernel/platform/multiboot2.hpp"

namespace bulkhead::kernel {

/// What boot.S maps.
inline constexpr uint64_t boot_tables_end = uint64_t{4} << 30;

struct BootInformation {
    MultibootInformation multiboot;
    AcpiInformation acpi;

    // The plan, in whole pages.
    Range kernel_pool;
    BootRegions free;        // for the root task, largest first
    BootRegions direct_map;  // what the kernel maps: all pages with RAM, without its own image
    BootRegions devices;     // what is neither RAM nor an APIC, which the kernel keeps to itself; largest first
};

/// Makes the plan from what firmware said. Pure; `image` is the kernel's. False if no pool can be found.
[[nodiscard]] bool plan_memory(BootInformation& boot, const Range& image, unsigned physical_address_bits);

/// Where boot ends and the system begins: makes the root task from the boot module named init and runs it, on the
/// bootstrap processor; the other CPUs go to `cpu_idle_forever` (cpu.hpp) at the same time.
[[noreturn]] void start_root_task(const BootInformation& boot);

}  // namespace bulkhead::kernel
