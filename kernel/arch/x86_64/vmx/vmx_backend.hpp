// SPDX-License-Identifier: Apache-2.0
// The VT-x back-end. A VM exit lands in `vmx_exit_entry` (vmx_entry.S) with RSP in the vCPU's own frame. Simple exits
// touch only VMCS fields that KVM shadows (architecture.md section 7); controls are cached and written on change.
//
// What VT-x does not switch stays in the CPU while native code runs: STAR, LSTAR, FMASK, KERNEL_GS_BASE, TSC_AUX and
// DR0-3, DR6 are exchanged only when another vCPU is loaded. EFER.SCE is 0 in the host, so no program can use them.
#pragma once

#include "kernel/arch/x86_64/vcpu_state.hpp"
#include "kernel/arch/x86_64/vmx/vmx_controls.hpp"
#include "kernel/arch/x86_64/vmx/vmx_instructions.hpp"
#include "kernel/object/vcpu.hpp"

namespace bulkhead::kernel::vmx {

// The operations of VcpuBackend.
bool initialize_cpu();
void create(Vcpu& vcpu);
[[noreturn]] void enter(Vcpu& vcpu);
inline void leave() {}
void skip_instruction(Vcpu& vcpu);
void inject(Vcpu& vcpu, uint64_t event);
void deliver_nmi(Vcpu& vcpu);
void deliver_interrupts(Vcpu& vcpu);
bool interrupts_enabled(Vcpu& vcpu);
void flush_guest_translations(Vcpu& vcpu);
void set_host_space(Vcpu& vcpu, PhysicalAddress root);
void note_position(Vcpu& vcpu);
uint64_t read_state(Vcpu& vcpu, const StateEntry& entry);
bool write_state(Vcpu& vcpu, const StateEntry& entry, uint64_t value);

/// Asks the CPU; a sentence if guests cannot run, else null.
const char* detect();

// Of the back-end itself.
void set_primary(Vcpu& vcpu, x86::PrimaryControl control, bool on);

extern Controls controls;        // constant after boot, as is
extern uint64_t cr4_for_guests;  // bits a guest may set

/// Bits of CR0 the guest does not reach: NE must be 1; CD and NW would act on the host (SDM vol. 3C, 27.3.2.1).
inline constexpr uint64_t cr0_of_host =
    x86::Cr0::NumericError::mask | x86::Cr0::CacheDisable::mask | x86::Cr0::NotWriteThrough::mask;

}  // namespace bulkhead::kernel::vmx
