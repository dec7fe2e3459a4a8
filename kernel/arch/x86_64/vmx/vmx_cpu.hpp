// SPDX-License-Identifier: Apache-2.0
// What each CPU keeps for VT-x. Used by that CPU only.
#pragma once

#include "hw/x86/control_register.hpp"
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/vcpu_hardware.hpp"

namespace bulkhead::kernel {

struct alignas(64) VmxCpu {
    ResidentRegisters resident{};  // as they stand in the CPU, but for what the loaded guest changes by itself
    uint16_t last_vpid = 0;

    static VmxCpu& current();
};
extern VmxCpu vmx_cpus[max_cpus];
inline VmxCpu& VmxCpu::current() { return vmx_cpus[Cpu::current().id]; }

/// Bits of CR0 the guest does not reach: NE must be 1; CD and NW would act on the host (SDM vol. 3C, 27.3.2.1).
inline constexpr uint64_t cr0_of_host =
    x86::Cr0::NumericError::mask | x86::Cr0::CacheDisable::mask | x86::Cr0::NotWriteThrough::mask;

}  // namespace bulkhead::kernel
