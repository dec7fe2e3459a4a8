// SPDX-License-Identifier: Apache-2.0
// The AMD-V back-end. From the entry until `leave` GIF is 0 and the guest's FS, GS, TR, LDTR and system-call MSRs are
// in the CPU, so an exit the kernel absorbs needs neither VMSAVE nor VMLOAD; whatever may take an NMI, use TR or go to
// user space calls `leave` first. Guests leave these registers as they were in the host at `initialize_cpu`.
#pragma once

#include "hw/x86/svm.hpp"
#include "kernel/arch/x86_64/vcpu_state.hpp"
#include "kernel/object/vcpu.hpp"

namespace bulkhead::kernel {

/// What the CPU may take from its cache when nothing was changed since the exit; 0 if it has no clean bits.
extern "C" uint32_t svm_clean_after_exit;

inline x86::Vmcb& vmcb_of(Vcpu& vcpu) { return *static_cast<x86::Vmcb*>(vcpu.hardware().control_block); }
/// The CPU must not take these parts (`SvmClean`) of a VMCB from its cache.
template <typename... Part>
void changed(x86::Vmcb& vmcb) {
    vmcb.clean &= static_cast<uint32_t>(~(Part::mask | ...));
}

class SvmBackend {
  public:
    /// Asks the CPU; a sentence if guests cannot run, else null.
    const char* detect();

    bool initialize_cpu();
    void create(Vcpu& vcpu);
    [[noreturn]] void enter(Vcpu& vcpu);
    void leave();
    void skip_instruction(Vcpu& vcpu);
    void inject(Vcpu& vcpu, uint64_t event);
    void deliver_nmi(Vcpu& vcpu);
    void deliver_interrupts(Vcpu& vcpu);
    bool interrupts_enabled(Vcpu& vcpu);
    void flush_guest_translations(Vcpu& vcpu);
    void set_host_space(Vcpu&, PhysicalAddress) {}  // VMRUN remembers the CR3 it found
    void note_position(Vcpu& vcpu);
    uint64_t read_state(Vcpu& vcpu, const StateEntry& entry);
    bool write_state(Vcpu& vcpu, const StateEntry& entry, uint64_t value);
    void begin_state_access(Vcpu& vcpu);
    bool end_state_write(Vcpu& vcpu);

    /// Of EXITINFO1 of an I/O exit: all but address size and segment.
    static constexpr uint32_t port_key_mask =
        static_cast<uint32_t>(x86::SvmIo::Port::mask | x86::SvmIo::SizeBytes::mask | x86::SvmIo::In::mask |
                              x86::SvmIo::String::mask | x86::SvmIo::Repeat::mask);
    static constexpr uint32_t port_write_key(uint16_t port, uint8_t size) {
        return static_cast<uint32_t>(x86::SvmIo::Port::make(port) | x86::SvmIo::SizeBytes::make(size));
    }

    [[noreturn]] void handle_exit(Vcpu& vcpu);
    [[noreturn]] void handle_io(Vcpu& vcpu);

  private:
    void assign_asid(Vcpu& vcpu);
    void hand_over(Vcpu& vcpu, uint8_t vector);
    bool take_back(Vcpu& vcpu);
    void request_nmi_window(Vcpu& vcpu);
    void request_virtual_interrupt(Vcpu& vcpu, uint8_t vector);
    void drop_virtual_interrupt(Vcpu& vcpu);
    void watch_task_priority(Vcpu& vcpu);
    void begin_step(Vcpu& vcpu, VcpuHardware::Step kind);
    [[noreturn]] void end_step(Vcpu& vcpu);
    void look_again(Vcpu& vcpu);
    void drop_shadow_step(Vcpu& vcpu);
    void note_instruction(Vcpu& vcpu, uint8_t length);
    void take_exit(Vcpu& vcpu);
    [[noreturn]] void handle_nested_fault(Vcpu& vcpu);

    PhysicalAddress io_permissions_;
    PhysicalAddress msr_permissions_;
    uint32_t asid_count_ = 0;
    bool next_rip_ = false;
};

inline void vmsave(PhysicalAddress vmcb) { asm volatile("vmsave %0" : : "a"(vmcb.value()) : "memory"); }
inline void vmload(PhysicalAddress vmcb) { asm volatile("vmload %0" : : "a"(vmcb.value()) : "memory"); }

}  // namespace bulkhead::kernel
