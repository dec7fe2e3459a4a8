// SPDX-License-Identifier: Apache-2.0
// How CPUs come up. Boot code only: the bootstrap processor prepares each CPU's block, then the CPU sets itself up.
#pragma once

#include <cstdint>

#include "kernel/arch/x86_64/cpu.hpp"

namespace bulkhead::kernel {

struct AcpiInformation;

/// Maps the pages of CPU `id`: its block and its task state. False if there is no memory.
[[nodiscard]] bool map_cpu(unsigned id);
/// Fills the CPU block and task state of CPU `id`, whose pages are mapped already.
Cpu& prepare_cpu(unsigned id, uint32_t apic_id);
/// Control registers, descriptor tables and TR of the CPU that runs this, which must be `cpu`.
void set_up_this_cpu(Cpu& cpu);
/// Counts this CPU as running.
void announce_this_cpu(Cpu& cpu);

/// Starts the other processors (INIT, SIPI; SDM vol. 3A, 9.4) and returns when they wait in their `cpu_main`.
void start_other_cpus(const AcpiInformation& acpi);
/// Lets them go on, after the mapping they started through has gone.
void release_other_cpus();

/// Where a started processor comes out in 64-bit mode, on its own stack.
extern "C" [[noreturn]] void cpu_main(Cpu& cpu);
/// What a CPU that has been started does once boot is over (root_task.cpp).
[[noreturn]] void cpu_idle_forever(Cpu& cpu);

}  // namespace bulkhead::kernel
