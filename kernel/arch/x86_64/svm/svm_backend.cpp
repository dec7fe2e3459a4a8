// SPDX-License-Identifier: Apache-2.0
// AMD-V: loading a vCPU, entering and leaving, events, and its state.
#include "kernel/arch/x86_64/vcpu_backend.hpp"

namespace bulkhead::kernel::svm {

using x86::EventInformation, x86::Rflags, x86::SvmClean, x86::Vmcb;
using Virtual = x86::VirtualInterruptControl;
using Step = VcpuHardware::Step;

extern "C" [[noreturn]] void svm_enter(GuestFrame& frame, PhysicalAddress vmcb);

constexpr uint64_t blocking_by_nmi = x86::Interruptibility::Nmi::mask;
constexpr auto iret = static_cast<uint32_t>(x86::SvmIntercept1::Iret);
constexpr auto nmi_window = static_cast<uint32_t>(x86::SvmIntercept1::VirtualInterrupt);

/// Whether one instruction is executed before anything is asked for. Behind it, `look_again`.
static bool is_stepping(Vcpu& vcpu) {
    const Step step = vcpu.hardware().step;
    return step != Step::None && step != Step::NmiReturn;
}

/// A new address-space identifier is a flushed one; when all were given out, everything is flushed once.
static void assign_asid(Vcpu& vcpu) {
    Cpu& cpu = Cpu::current();
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.tlb_control = x86::SvmTlbControl::Nothing;
    if (hardware.tag_generation == cpu.asid_generation) return;
    if (cpu.next_tag >= asid_count) {
        cpu.next_tag = 1;
        ++cpu.asid_generation;
        vmcb.tlb_control = x86::SvmTlbControl::FlushAll;
    }
    hardware.tag_generation = cpu.asid_generation;
    vmcb.asid = cpu.next_tag++;
    changed<SvmClean::AsidField>(vmcb);
}

void enter(Vcpu& vcpu) {
    Cpu& cpu = Cpu::current();
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    assign_asid(vcpu);
    vmcb.rax = hardware.frame[GeneralRegister::Rax];
    const uint8_t priority = static_cast<uint8_t>(vcpu.apic().task_priority() >> 4);
    if (Virtual::TaskPriority::read(vmcb.virtual_interrupt) != priority) {
        vmcb.virtual_interrupt = Virtual::TaskPriority::write(vmcb.virtual_interrupt, priority);
        changed<SvmClean::Interrupts>(vmcb);
    }
    if (!cpu.guest_in_cpu) {
        cpu.guest_in_cpu = true;
        asm volatile("clgi" : : : "memory");
        vmload(hardware.control_block_address);
    }
    svm_enter(hardware.frame, hardware.control_block_address);
}

void leave() {
    Cpu& cpu = Cpu::current();
    if (!cpu.guest_in_cpu) return;
    cpu.guest_in_cpu = false;
    vmsave(cpu.loaded_vcpu->hardware().control_block_address);
    vmload(cpu.host_vmcb);
    asm volatile("stgi" : : : "memory");
    cpu.task_register_cut = true;
    cpu.fs_base = cpu.gs_base = 0;
}

void skip_instruction(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.interrupt_shadow = 0;
    hardware.rip += hardware.instruction_length;
    hardware.instruction_length = 0;
    vmcb.rip = hardware.rip;
    if (!Rflags::Trap::read(vmcb.rflags)) [[likely]]
        return;
    vmcb.dr6 |= x86::SingleStep::mask;
    changed<SvmClean::DebugRegisters>(vmcb);
    inject(vcpu, EventInformation::make(x86::Exception::Debug));
}

void inject(Vcpu& vcpu, uint64_t event) {
    vcpu.hardware().injecting = true;
    vmcb_of(vcpu).event_injection = event;
}

/// Only MOV to CR8 lowers TPR without an exit.
static void watch_task_priority(Vcpu& vcpu) {
    Vmcb& vmcb = vmcb_of(vcpu);
    if (is_stepping(vcpu)) return;
    vmcb.intercept_cr |= x86::svm_intercept_write_cr8;
    changed<SvmClean::Intercepts>(vmcb);
}

/// What the CPU shall take as soon as the guest can. TPR is left out, because QEMU 7.2 compares priorities wrongly
/// (equal ones pass): what it holds back is not asked for. And QEMU stops by an assertion when a guest executes MOV to
/// CR8 then.
static void request_virtual_interrupt(Vcpu& vcpu, uint8_t vector) {
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.virtual_interrupt = (vmcb.virtual_interrupt & Virtual::TaskPriority::mask) | Virtual::Masking::mask |
                             Virtual::Request::mask | Virtual::Priority::mask | Virtual::IgnoreTaskPriority::mask |
                             Virtual::Vector::make(vector);
    changed<SvmClean::Interrupts>(vmcb);
    const bool at_once = interrupts_enabled(vcpu) && !EventInformation::Valid::read(vmcb.event_injection);
    if (!at_once) watch_task_priority(vcpu);
}

void drop_virtual_interrupt(Vcpu& vcpu) {
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.virtual_interrupt &= ~Virtual::Request::mask;
    changed<SvmClean::Interrupts>(vmcb);
    if ((vmcb.intercept_cr & x86::svm_intercept_write_cr8) == 0 && (vmcb.intercept_1 & nmi_window) == 0) return;
    vmcb.intercept_cr &= ~x86::svm_intercept_write_cr8;
    vmcb.intercept_1 &= ~nmi_window;
    changed<SvmClean::Intercepts>(vmcb);
}

bool take_back(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    if (hardware.handed_over == 0) return false;
    const uint8_t vector = std::exchange(hardware.handed_over, uint8_t{0});
    bool pending = Virtual::Request::read(vmcb.virtual_interrupt);
    if (EventInformation::Valid::read(vmcb.exit_event)) [[unlikely]] {
        // QEMU 7.2 calls an interrupt whose delivery the exit interrupted an exception.
        constexpr uint8_t first_behind_exceptions = 32;
        const bool interrupted = EventInformation::Type::read(vmcb.exit_event) == EventInformation::Kind::External ||
                                 EventInformation::Vector::read(vmcb.exit_event) >= first_behind_exceptions;
        if (interrupted) vmcb.exit_event = 0;
        pending |= interrupted;
    }
    if (!pending) {
        vcpu.apic().begin_service(vector);
        return false;
    }
    hardware.injecting = EventInformation::Valid::read(vmcb.event_injection);
    vcpu.apic().request(vector);
    drop_virtual_interrupt(vcpu);
    return true;
}

/// Without virtual NMIs the end of the guest's handler shows only as an IRET, behind which the next one may come.
void deliver_nmi(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    if (take_back(vcpu)) vcpu.look_for_interrupts();
    if (hardware.nmi_blocked || hardware.injecting || (vmcb.interrupt_shadow & 1) != 0) {
        hardware.nmi_waits = true;
        if (hardware.nmi_blocked || is_stepping(vcpu)) return;
        // A virtual interrupt that is never delivered: its intercept says that the guest would take one.
        vmcb.intercept_1 |= nmi_window;
        changed<SvmClean::Intercepts>(vmcb);
        return request_virtual_interrupt(vcpu, 0);
    }
    hardware.nmi_waits = false;
    hardware.nmi_blocked = true;
    vmcb.intercept_1 |= iret;
    changed<SvmClean::Intercepts>(vmcb);
    inject(vcpu, EventInformation::make(x86::Exception::NonMaskable, EventInformation::Kind::Nmi));
}

void begin_step(Vcpu& vcpu, Step kind) {
    vcpu.hardware().step = kind;
    vmcb_of(vcpu).rflags |= Rflags::Trap::mask;
}

void drop_shadow_step(Vcpu& vcpu) {
    if (vcpu.hardware().step != Step::Shadow) return;
    vcpu.hardware().step = Step::None;
    vmcb_of(vcpu).rflags &= ~Rflags::Trap::mask;
    look_again(vcpu);
}

void look_again(Vcpu& vcpu) {
    vcpu.look_for_interrupts();
    if (vcpu.hardware().nmi_waits && !vcpu.hardware().nmi_blocked) vcpu.look_for_nmi();
}

void deliver_interrupts(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    if (hardware.handed_over != 0) take_back(vcpu);  // mostly not: the call is saved
    const auto vector = vcpu.apic().deliverable();
    if (!vector) {
        if (vcpu.apic().held_by_task_priority()) watch_task_priority(vcpu);
        return;
    }
    // A turn that ended behind STI: QEMU's VMRUN forgets the shadow, and an interrupt between STI and HLT is one that
    // the guest sleeps over.
    Vmcb& vmcb = vmcb_of(vcpu);
    const bool behind_sti = (vmcb.interrupt_shadow & 1) != 0 && Rflags::InterruptEnable::read(vmcb.rflags);
    if (is_stepping(vcpu) || (hardware.nmi_waits && !hardware.nmi_blocked)) return;  // there will be a `look_again`
    if (behind_sti && !Rflags::Trap::read(vmcb.rflags) && hardware.step == Step::None)
        return begin_step(vcpu, Step::Shadow);
    // The CPU delivers it when the guest can take it. Event injection would do only when it can take it now, and QEMU
    // 7.2 injects an interrupt twice if its other threads want something of this CPU meanwhile.
    vcpu.apic().take_request(*vector);
    hardware.handed_over = *vector;
    hardware.injecting = true;
    request_virtual_interrupt(vcpu, *vector);
}

bool interrupts_enabled(Vcpu& vcpu) {
    const Vmcb& vmcb = vmcb_of(vcpu);
    return Rflags::InterruptEnable::read(vmcb.rflags) && (vmcb.interrupt_shadow & 1) == 0;
}

void note_position(Vcpu& vcpu) {
    if (take_back(vcpu)) vcpu.look_for_interrupts();
    vcpu.hardware().rip = vmcb_of(vcpu).rip;
    vcpu.hardware().instruction_length = 0;
}

void begin_state_access(Vcpu& vcpu) {
    drop_shadow_step(vcpu);
    vcpu.fpu().follow_cpu();
    // What VMSAVE stores has to be in the VMCB; the next entry loads it from there.
    leave();
}

/// What VMRUN would refuse (APM vol. 2, 15.5.1). Not left to it: QEMU's failing VMRUN writes host state into the VMCB.
static bool can_be_entered(const Vmcb& vmcb) {
    using x86::Cr0, x86::Cr4, x86::Efer;
    constexpr uint16_t long_code = 1 << 9, default_size = 1 << 10;  // L and D of CS
    constexpr uint64_t cr4_known = 0x7f7fff & ~Cr4::VmxEnable::mask & ~Cr4::SmxEnable::mask;
    if (vmcb.cr0 > UINT32_MAX || (vmcb.cr4 & ~cr4_known) != 0) return false;
    if (!Cr0::CacheDisable::read(vmcb.cr0) && Cr0::NotWriteThrough::read(vmcb.cr0)) return false;
    if (!Cr0::Paging::read(vmcb.cr0)) return true;
    if (!Cr0::ProtectionEnable::read(vmcb.cr0)) return false;
    if (!Efer::LongModeEnable::read(vmcb.efer)) return true;
    const bool both_sizes = (vmcb.cs.attributes & long_code) != 0 && (vmcb.cs.attributes & default_size) != 0;
    return Cr4::PhysicalAddressExtension::read(vmcb.cr4) && !both_sizes;
}

static void* place_of(Vmcb& vmcb, const StateEntry& entry) {
    return reinterpret_cast<std::byte*>(&vmcb) + entry.svm.where;
}

bool end_state_write(Vcpu& vcpu) {
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.clean = 0;
    return can_be_entered(vmcb);
}

uint64_t read_state(Vcpu& vcpu, const StateEntry& entry) {
    const uint64_t value = state_table::load(place_of(vmcb_of(vcpu), entry), entry.svm.bytes);
    if (entry.rule == StateRule::SegmentAccess) return access_rights(static_cast<uint16_t>(value));
    if (entry.rule == StateRule::Efer) return value & ~x86::Efer::SvmEnable::mask;
    if (entry.rule == StateRule::Interruptibility)
        return (value & 1) | (vcpu.hardware().nmi_blocked ? blocking_by_nmi : 0);
    return value;
}

bool write_state(Vcpu& vcpu, const StateEntry& entry, uint64_t value) {
    Vmcb& vmcb = vmcb_of(vcpu);
    if (entry.rule == StateRule::SegmentAccess) {
        value = vmcb_attributes(value);
        if (entry.offset == offsetof(abi::VcpuStatePage, ss.access)) vmcb.cpl = value >> 5 & 3;
    } else if (entry.rule == StateRule::Efer) {
        value |= x86::Efer::SvmEnable::mask;
    } else if (entry.rule == StateRule::Interruptibility) {
        constexpr uint64_t shadow = 3;
        vcpu.hardware().nmi_blocked = (value & blocking_by_nmi) != 0;
        vmcb.intercept_1 = vcpu.hardware().nmi_blocked ? vmcb.intercept_1 | iret : vmcb.intercept_1 & ~iret;
        value = (value & shadow) != 0;
    }
    state_table::store(place_of(vmcb, entry), entry.svm.bytes, value);
    return true;
}

}  // namespace bulkhead::kernel::svm
