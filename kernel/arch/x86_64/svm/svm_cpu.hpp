// SPDX-License-Identifier: Apache-2.0
// What each CPU keeps for AMD-V beside what the hand-laid paths use (cpu.hpp), and the instructions. Used by that CPU
// only.
#pragma once

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/vcpu_hardware.hpp"

namespace bulkhead::kernel {

struct alignas(64) SvmCpu {
    uint32_t next_asid = 1;
    ResidentRegisters resident{};

    static SvmCpu& current();
};
extern SvmCpu svm_cpus[max_cpus];
inline SvmCpu& SvmCpu::current() { return svm_cpus[Cpu::current().id]; }

namespace svm {
inline void save(PhysicalAddress vmcb) { asm volatile("vmsave %0" : : "a"(vmcb.value()) : "memory"); }
inline void load(PhysicalAddress vmcb) { asm volatile("vmload %0" : : "a"(vmcb.value()) : "memory"); }
inline void clear_global_interrupts() { asm volatile("clgi" : : : "memory"); }
inline void set_global_interrupts() { asm volatile("stgi" : : : "memory"); }
}  // namespace svm

}  // namespace bulkhead::kernel
