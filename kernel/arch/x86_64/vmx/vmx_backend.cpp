// SPDX-License-Identifier: Apache-2.0
// VT-x: loading a vCPU, entering, events, and its state.
#include "kernel/arch/x86_64/vcpu_backend.hpp"

namespace bulkhead::kernel::vmx {

using x86::Cr0, x86::Cr4, x86::EventInformation, x86::Interruptibility, x86::PrimaryControl, x86::Rflags;

constexpr uint64_t interrupt_shadow = Interruptibility::Sti::mask | Interruptibility::MovSs::mask;

extern "C" [[noreturn]] void vmx_enter(GuestFrame& frame, bool launched);

void enter(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    Cpu& cpu = Cpu::current();
    cpu.loaded_root = hardware.host_space;  // what the exit loads
    cpu.task_register_cut = true;
    cpu.fs_base = cpu.gs_base = 0;
    vmx_enter(hardware.frame, hardware.launched);
}

/// Writes a field whose value is known, if it changes.
template <typename Word>
static void update(Field field, Word& written, Word wanted) {
    if (wanted == written) return;
    written = wanted;
    write(field, wanted);
}

void set_primary(Vcpu& vcpu, PrimaryControl control, bool on) {
    uint32_t& written = vcpu.hardware().controls;
    const auto bit = static_cast<uint32_t>(control);
    update(Field::PrimaryControls, written, on ? written | bit : written & ~bit);
}

void skip_instruction(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    const uint64_t blocking = read(Field::GuestInterruptibility);
    if ((blocking & interrupt_shadow) != 0) write(Field::GuestInterruptibility, blocking & ~interrupt_shadow);
    hardware.rip += hardware.instruction_length;
    hardware.instruction_length = 0;
    write(Field::GuestRip, hardware.rip);
    if (Rflags::Trap::read(read(Field::GuestRflags))) [[unlikely]]
        write(Field::GuestPendingDebug, x86::SingleStep::mask);
}

void inject(Vcpu& vcpu, uint64_t event) {
    vcpu.hardware().injecting = true;
    if (EventInformation::HasErrorCode::read(event))
        write(Field::EntryErrorCode, EventInformation::ErrorCode::read(event));
    write(Field::EntryInterruption, event & UINT32_MAX);
}

void deliver_nmi(Vcpu& vcpu) {
    constexpr uint64_t blocked = interrupt_shadow | Interruptibility::Nmi::mask;
    if (vcpu.hardware().injecting || (read(Field::GuestInterruptibility) & blocked) != 0)
        return set_primary(vcpu, PrimaryControl::NmiWindowExit, true);
    inject(vcpu, EventInformation::make(x86::Exception::NonMaskable, EventInformation::Kind::Nmi));
}

/// The CPU reads the page by itself; it has to be told what the largest request is (SDM vol. 3C, 30.2).
static void hardware_delivery(Vcpu& vcpu) {
    using Status = x86::GuestInterruptStatus;
    const uint64_t before = read(Field::GuestInterruptStatus);
    uint64_t status = Status::Requesting::write(before, vcpu.apic().highest(VirtualApic::Register::Irr).value_or(0));
    if (vcpu.hardware().apic_changed) [[unlikely]] {
        vcpu.hardware().apic_changed = false;
        for (unsigned quarter = 0; quarter < 4; ++quarter) {  // which vectors' ends are exits
            uint64_t& written = vcpu.hardware().eoi_exit_bitmap[quarter];
            update(eoi_exit_bitmaps[quarter], written, vcpu.apic().level_vectors(quarter));
        }
        status = Status::Servicing::write(status, vcpu.apic().highest(VirtualApic::Register::Isr).value_or(0));
    }
    if (status != before) write(Field::GuestInterruptStatus, status);
}

static void software_delivery(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    constexpr unsigned class_shift = 4;
    const auto vector = vcpu.apic().deliverable();
    const uint32_t threshold = vector ? 0u : vcpu.apic().held_by_task_priority().value_or(0) >> class_shift;
    update(Field::TprThreshold, hardware.tpr_threshold, threshold);
    if (!vector) return;
    if (hardware.injecting || !interrupts_enabled(vcpu))
        return set_primary(vcpu, PrimaryControl::InterruptWindowExit, true);
    vcpu.apic().accept(*vector);
    inject(vcpu, EventInformation::make(*vector, EventInformation::Kind::External));
}

void deliver_interrupts(Vcpu& vcpu) {
    return controls.interrupt_delivery ? hardware_delivery(vcpu) : software_delivery(vcpu);
}

bool interrupts_enabled(Vcpu&) {
    return Rflags::InterruptEnable::read(read(Field::GuestRflags)) &&
           (read(Field::GuestInterruptibility) & interrupt_shadow) == 0;
}

void flush_guest_translations(Vcpu& vcpu) {
    invalidate_ept(vcpu.hardware().guest_space.value() | x86::ept_write_back_four_levels);
}

void set_host_space(Vcpu& vcpu, PhysicalAddress root) {
    vcpu_backend().load(vcpu);
    write(Field::HostCr3, root.value());
}

void note_position(Vcpu& vcpu) {
    vcpu.hardware().rip = read(Field::GuestRip);
    vcpu.hardware().instruction_length = 0;
}

/// A control register as the guest sees it: bits of the host come from the shadow.
static uint64_t seen_by_guest(uint64_t real, uint64_t hosts, Field shadow) {
    return (real & ~hosts) | (read(shadow) & hosts);
}

uint64_t read_state(Vcpu&, const StateEntry& entry) {
    const uint64_t value = read(static_cast<Field>(entry.vmx.where));
    if (entry.rule == StateRule::Cr0) return seen_by_guest(value, cr0_of_host, Field::Cr0Shadow);
    if (entry.rule == StateRule::Cr4) return seen_by_guest(value, read(Field::Cr4Mask), Field::Cr4Shadow);
    return value;
}

bool write_state(Vcpu& vcpu, const StateEntry& entry, uint64_t value) {
    if (entry.rule == StateRule::Cr0) {
        if (value > UINT32_MAX) return false;
        write(Field::Cr0Shadow, value);
        value = (value & ~cr0_of_host) | Cr0::NumericError::mask;
    } else if (entry.rule == StateRule::Cr4) {
        if ((value & ~cr4_for_guests) != 0) return false;
        write(Field::Cr4Shadow, value);
        vcpu.set_osxsave(Cr4::XsaveEnable::read(value));
        value |= Cr4::VmxEnable::mask;
    } else if (entry.rule == StateRule::Efer) {
        constexpr auto long_mode = static_cast<uint32_t>(x86::EntryControl::LongModeGuest);
        const uint64_t others = read(Field::EntryControls) & ~uint64_t{long_mode};
        write(Field::EntryControls, others | (x86::Efer::LongModeActive::read(value) ? long_mode : 0));
    }
    write(static_cast<Field>(entry.vmx.where), value);
    return true;
}

}  // namespace bulkhead::kernel::vmx
