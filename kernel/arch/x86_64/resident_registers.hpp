// SPDX-License-Identifier: Apache-2.0
// Registers of guests that stay in the CPU while native code runs, and are exchanged only for another vCPU's.
#pragma once

#include "kernel/arch/x86_64/features.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/vcpu_hardware.hpp"

namespace bulkhead::kernel {

/// DR0-3, which guests change without an exit. DR7 is switched by the hardware, so they have no effect on the host.
inline void save_debug_registers(ResidentRegisters& registers) {
    asm volatile("mov %%dr0, %0" : "=r"(registers.debug[0]));
    asm volatile("mov %%dr1, %0" : "=r"(registers.debug[1]));
    asm volatile("mov %%dr2, %0" : "=r"(registers.debug[2]));
    asm volatile("mov %%dr3, %0" : "=r"(registers.debug[3]));
}

inline void load_task_aux(uint64_t wanted, uint64_t loaded) {
    if (wanted != loaded && cpu_features().rdtscp) (void)write_msr_checked(x86::Msr::TscAux, wanted);
}

/// Writes what differs from what is loaded; TSC_AUX too.
inline void load_debug_registers(const ResidentRegisters& wanted, const ResidentRegisters& loaded) {
    if (wanted.debug[0] != loaded.debug[0]) asm volatile("mov %0, %%dr0" : : "r"(wanted.debug[0]));
    if (wanted.debug[1] != loaded.debug[1]) asm volatile("mov %0, %%dr1" : : "r"(wanted.debug[1]));
    if (wanted.debug[2] != loaded.debug[2]) asm volatile("mov %0, %%dr2" : : "r"(wanted.debug[2]));
    if (wanted.debug[3] != loaded.debug[3]) asm volatile("mov %0, %%dr3" : : "r"(wanted.debug[3]));
    load_task_aux(wanted.tsc_aux, loaded.tsc_aux);
}

}  // namespace bulkhead::kernel
