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

namespace bulkhead::kernel {

class VmxBackend {
  public:
    /// Asks the CPU; a sentence if guests cannot run, else null.
    const char* detect();
    bool interrupt_delivery() const { return controls_.interrupt_delivery; }

    bool initialize_cpu();
    void create(Vcpu& vcpu);
    [[noreturn]] void enter(Vcpu& vcpu);
    void leave() {}
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
    void begin_state_access(Vcpu&) {}
    bool end_state_write(Vcpu& vcpu);

    /// Of the qualification of an I/O exit: all but whether the port was an immediate operand.
    static constexpr uint32_t port_key_mask =
        static_cast<uint32_t>(x86::IoQualification::Port::mask | x86::IoQualification::SizeMinusOne::mask |
                              x86::IoQualification::In::mask | x86::IoQualification::String::mask |
                              x86::IoQualification::Repeat::mask);
    static constexpr uint32_t port_write_key(uint16_t port, uint8_t size) {
        return static_cast<uint32_t>(x86::IoQualification::Port::make(port) |
                                     x86::IoQualification::SizeMinusOne::make(static_cast<uint8_t>(size - 1)));
    }

    [[noreturn]] void handle_exit(Vcpu& vcpu, uint64_t reason);
    [[noreturn]] void handle_io(Vcpu& vcpu, uint64_t qualification);
    /// The state of the guest, or the event, is one no CPU can have: the monitor's fault.
    [[noreturn]] void handle_refused_entry(Vcpu& vcpu, uint64_t reason, uint64_t qualification);

  private:
    void write_host_state(Vcpu& vcpu);
    void write_controls(Vcpu& vcpu);
    void make_msr_bitmap();
    void set_primary(Vcpu& vcpu, x86::PrimaryControl control, bool on);
    void hardware_delivery(Vcpu& vcpu);
    void follow_levels(Vcpu& vcpu);
    void software_delivery(Vcpu& vcpu);
    void inject_interrupted_event(Vcpu& vcpu);
    [[noreturn]] void handle_exception(Vcpu& vcpu);
    [[noreturn]] void handle_control_register(Vcpu& vcpu);
    [[noreturn]] void handle_nested_fault(Vcpu& vcpu);
    void note_instruction(Vcpu& vcpu);

    vmx::Controls controls_;
    uint32_t revision_ = 0;
    uint64_t cr4_guest_ = 0;  // bits a guest may set
    uint64_t ept_vpid_ = 0;
    PhysicalAddress msr_bitmap_;
};

/// Bits of CR0 the guest does not reach: NE must be 1; CD and NW would act on the host (SDM vol. 3C, 27.3.2.1).
inline constexpr uint64_t cr0_of_host =
    x86::Cr0::NumericError::mask | x86::Cr0::CacheDisable::mask | x86::Cr0::NotWriteThrough::mask;

}  // namespace bulkhead::kernel
