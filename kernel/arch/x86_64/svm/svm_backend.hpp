// SPDX-License-Identifier: Apache-2.0
// The AMD-V back-end. From the entry until `leave` GIF is 0 and the guest's FS, GS, TR, LDTR and system-call MSRs are
// in the CPU, so an exit the kernel absorbs needs neither VMSAVE nor VMLOAD; whatever may take an NMI, use TR or go to
// user space calls `leave` first. Guests leave these registers as they were in the host at `initialize_cpu`.
#pragma once

#include "kernel/arch/x86_64/vcpu_state.hpp"
#include "kernel/object/vcpu.hpp"

namespace bulkhead::kernel::svm {

// The operations of VcpuBackend.
bool initialize_cpu();
void create(Vcpu& vcpu);
[[noreturn]] void enter(Vcpu& vcpu);
void leave();
void skip_instruction(Vcpu& vcpu);
void inject(Vcpu& vcpu, uint64_t event);
void deliver_nmi(Vcpu& vcpu);
void deliver_interrupts(Vcpu& vcpu);
bool interrupts_enabled(Vcpu& vcpu);
inline void flush_guest_translations(Vcpu& vcpu) { vcpu.hardware().tag_generation = 0; }
inline void set_host_space(Vcpu&, PhysicalAddress) {}  // VMRUN remembers the CR3 it found
void note_position(Vcpu& vcpu);
uint64_t read_state(Vcpu& vcpu, const StateEntry& entry);
bool write_state(Vcpu& vcpu, const StateEntry& entry, uint64_t value);
void begin_state_access(Vcpu& vcpu);
bool end_state_write(Vcpu& vcpu);

/// Asks the CPU; a sentence if guests cannot run, else null.
const char* detect();

// Of the back-end itself.
/// What was handed over: the guest has it in service now, or it is pending as before. Then true: judge it anew.
bool take_back(Vcpu& vcpu);
void drop_virtual_interrupt(Vcpu& vcpu);
/// Lets the guest execute one instruction. One that single-steps itself is left alone: it gets its #DB anyway.
void begin_step(Vcpu& vcpu, VcpuHardware::Step kind);
/// Something else looks after the instruction behind STI, or somebody wants to see the state.
void drop_shadow_step(Vcpu& vcpu);
/// The guest may be able to take what it could not take before.
void look_again(Vcpu& vcpu);

extern uint32_t asid_count;  // constant after boot
/// What the CPU may take from its cache when nothing was changed since the exit; 0 if it has no clean bits.
extern "C" uint32_t svm_clean_after_exit;

inline x86::Vmcb& vmcb_of(Vcpu& vcpu) { return *static_cast<x86::Vmcb*>(vcpu.hardware().control_block); }
/// The CPU must not take these parts (`SvmClean`) of a VMCB from its cache.
template <typename... Part>
void changed(x86::Vmcb& vmcb) {
    vmcb.clean &= static_cast<uint32_t>(~(Part::mask | ...));
}

inline void vmsave(PhysicalAddress vmcb) { asm volatile("vmsave %0" : : "a"(vmcb.value()) : "memory"); }
inline void vmload(PhysicalAddress vmcb) { asm volatile("vmload %0" : : "a"(vmcb.value()) : "memory"); }

}  // namespace bulkhead::kernel::svm
