// SPDX-License-Identifier: Apache-2.0
// AMD-V: loading a vCPU, entering and leaving, events, and its state.
#include "kernel/arch/x86_64/svm/svm_backend.hpp"

#include "hw/x86/control_register.hpp"
#include "hw/x86/svm/exit.hpp"
#include "hw/x86/vmx/exit.hpp"
#include "kernel/arch/x86_64/resident_registers.hpp"
#include "kernel/arch/x86_64/svm/svm_cpu.hpp"
#include "kernel/object/vcpu.hpp"

namespace bulkhead::kernel {

using x86::EventInformation, x86::Rflags, x86::SvmIntercept1, x86::Vmcb;
using Virtual = x86::VirtualInterruptControl;

extern "C" [[noreturn]] void svm_enter(GuestFrame& frame, PhysicalAddress vmcb);

namespace {

Vmcb& vmcb_of(Vcpu& vcpu) { return *static_cast<Vmcb*>(vcpu.hardware().control_block); }
constexpr uint32_t bit(SvmIntercept1 intercept) { return static_cast<uint32_t>(intercept); }

}  // namespace

void SvmBackend::load(Vcpu& vcpu) {
    if (Cpu::current().loaded_vcpu == &vcpu) [[likely]] return;
    load_other(vcpu);
}

void SvmBackend::load_other(Vcpu& vcpu) {
    SvmCpu& cpu = SvmCpu::current();
    if (Cpu::current().loaded_vcpu != nullptr) {
        save_debug_registers(Cpu::current().loaded_vcpu->hardware().resident);
        cpu.resident = Cpu::current().loaded_vcpu->hardware().resident;
    }
    load_debug_registers(vcpu.hardware().resident, cpu.resident);
    cpu.resident = vcpu.hardware().resident;
    Cpu::current().loaded_vcpu = &vcpu;
}

void SvmBackend::destroy(Vcpu& vcpu) {
    SvmCpu& cpu = SvmCpu::current();
    if (Cpu::current().loaded_vcpu != &vcpu) return;
    save_debug_registers(cpu.resident);
    Cpu::current().loaded_vcpu = nullptr;
}

/// A new address-space identifier is a flushed one; when all were given out, everything is flushed once.
void SvmBackend::assign_asid(Vcpu& vcpu) {
    uint64_t& generation = Cpu::current().asid_generation;
    uint32_t& next_asid = SvmCpu::current().next_asid;
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.tlb_control = x86::SvmTlbControl::Nothing;
    if (hardware.tag_generation == generation) return;
    if (next_asid >= asid_count_) {
        next_asid = 1;
        ++generation;
        vmcb.tlb_control = x86::SvmTlbControl::FlushAll;
    }
    hardware.tag_generation = generation;
    vmcb.asid = next_asid++;
    vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::AsidField::mask);
}

void SvmBackend::enter(Vcpu& vcpu) {
    Cpu& cpu = Cpu::current();
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    assign_asid(vcpu);
    vmcb.rax = hardware.frame[GeneralRegister::Rax];
    const uint8_t priority = static_cast<uint8_t>(vcpu.apic().task_priority() >> 4);
    if (Virtual::TaskPriority::read(vmcb.virtual_interrupt) != priority) {
        vmcb.virtual_interrupt = Virtual::TaskPriority::write(vmcb.virtual_interrupt, priority);
        vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::Interrupts::mask);
    }
    if (!cpu.guest_in_cpu) {
        cpu.guest_in_cpu = true;
        svm::clear_global_interrupts();
        svm::load(hardware.control_block_address);
    }
    svm_enter(hardware.frame, hardware.control_block_address);
}

void SvmBackend::leave() {
    Cpu& cpu = Cpu::current();
    if (!cpu.guest_in_cpu) return;
    cpu.guest_in_cpu = false;
    svm::save(cpu.loaded_vcpu->hardware().control_block_address);
    svm::load(cpu.host_vmcb);
    svm::set_global_interrupts();
    cpu.task_register_cut = true;  // as it was saved
    cpu.fs_base = cpu.gs_base = 0;
}

void SvmBackend::skip_instruction(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.interrupt_shadow = 0;
    hardware.rip += hardware.instruction_length;
    hardware.instruction_length = 0;
    vmcb.rip = hardware.rip;
    if (!Rflags::Trap::read(vmcb.rflags)) [[likely]] return;
    constexpr uint64_t single_step = 1 << 14;
    vmcb.dr6 |= single_step;
    vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::DebugRegisters::mask);
    inject(vcpu, EventInformation::make(static_cast<uint8_t>(x86::Exception::Debug), EventInformation::Kind::HardwareException));
}

void SvmBackend::inject(Vcpu& vcpu, uint64_t event) {
    vcpu.hardware().injecting = true;
    vmcb_of(vcpu).event_injection = event;
}

/// Without virtual NMIs the end of the guest's handler shows only as an IRET, behind which the next one may come.
void SvmBackend::deliver_nmi(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    if (hardware.nmi_blocked || hardware.injecting || (vmcb.interrupt_shadow & 1) != 0) {
        hardware.nmi_waits = true;
        if (!hardware.nmi_blocked) request_window(vcpu, UINT8_MAX);
        return;
    }
    hardware.nmi_waits = false;
    hardware.nmi_blocked = true;
    vmcb.intercept_1 |= bit(SvmIntercept1::Iret);
    vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::Intercepts::mask);
    inject(vcpu, EventInformation::make(static_cast<uint8_t>(x86::Exception::NonMaskable), EventInformation::Kind::Nmi));
}

/// Only MOV to CR8 lowers TPR without an exit.
void SvmBackend::watch_task_priority(Vcpu& vcpu) {
    Vmcb& vmcb = vmcb_of(vcpu);
    if (vcpu.hardware().step == VcpuHardware::Step::TaskPriority) return;  // asked for again after the step
    vmcb.intercept_cr |= x86::svm_intercept_write_cr8;
    vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::Intercepts::mask);
}

/// A virtual interrupt that is never delivered: its intercept says that the guest would take one. While it is there,
/// MOV to CR8 is intercepted: QEMU 7.2 stops by an assertion when a guest executes one then. And it compares priorities
/// wrongly (equal ones pass), so what TPR holds back is not asked for in this way.
void SvmBackend::request_window(Vcpu& vcpu, uint8_t vector) {
    Vmcb& vmcb = vmcb_of(vcpu);
    if (vcpu.hardware().step == VcpuHardware::Step::TaskPriority) return;
    watch_task_priority(vcpu);
    vmcb.virtual_interrupt = Virtual::Priority::write(vmcb.virtual_interrupt | Virtual::Request::mask, vector >> 4);
    vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::Interrupts::mask);
}

void SvmBackend::drop_window(Vcpu& vcpu) {
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.virtual_interrupt &= ~Virtual::Request::mask;
    vmcb.intercept_cr &= ~x86::svm_intercept_write_cr8;
    vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::Interrupts::mask | x86::SvmClean::Intercepts::mask);
}

/// Lets the guest execute one instruction. One that single-steps itself is left alone: it gets its #DB anyway.
void SvmBackend::begin_step(Vcpu& vcpu, VcpuHardware::Step kind) {
    vcpu.hardware().step = kind;
    vmcb_of(vcpu).rflags |= Rflags::Trap::mask;
}

/// Something else looks after the instruction behind STI, or somebody wants to see the state.
void SvmBackend::drop_shadow_step(Vcpu& vcpu) {
    if (vcpu.hardware().step != VcpuHardware::Step::Shadow) return;
    vcpu.hardware().step = VcpuHardware::Step::None;
    vmcb_of(vcpu).rflags &= ~Rflags::Trap::mask;
    vcpu.look_for_interrupts();
}

/// The #DB behind that instruction.
void SvmBackend::end_step(Vcpu& vcpu) {
    Vmcb& vmcb = vmcb_of(vcpu);
    constexpr uint64_t single_step = 1 << 14;
    const auto kind = vcpu.hardware().step;
    vcpu.hardware().step = VcpuHardware::Step::None;
    vmcb.dr6 &= ~single_step;
    vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::DebugRegisters::mask);
    if (kind != VcpuHardware::Step::NmiReturn) {
        vmcb.rflags &= ~Rflags::Trap::mask;
        vcpu.on_interrupt_window();
    }
    vcpu.hardware().nmi_blocked = false;  // the IRET has restored the flags
    if (vcpu.hardware().nmi_waits) vcpu.on_nmi_window();
    vcpu.go_on();
}

void SvmBackend::deliver_interrupts(Vcpu& vcpu) {
    const auto vector = vcpu.apic().deliverable();
    if (!vector) {
        if (vcpu.apic().held_by_task_priority()) watch_task_priority(vcpu);
        return;
    }
    // A turn that ended behind STI: QEMU's VMRUN forgets the shadow, and an interrupt between STI and HLT is one that
    // the guest sleeps over.
    Vmcb& vmcb = vmcb_of(vcpu);
    const bool behind_sti = (vmcb.interrupt_shadow & 1) != 0 && Rflags::InterruptEnable::read(vmcb.rflags);
    if (vcpu.hardware().step == VcpuHardware::Step::Shadow) return;
    if (behind_sti && !Rflags::Trap::read(vmcb.rflags) && vcpu.hardware().step == VcpuHardware::Step::None) {
        begin_step(vcpu, VcpuHardware::Step::Shadow);
        return;
    }
    if (vcpu.hardware().injecting || !interrupts_enabled(vcpu)) {
        request_window(vcpu, *vector);
        return;
    }
    vcpu.apic().accept(*vector);
    inject(vcpu, EventInformation::make(*vector, EventInformation::Kind::External));
}

bool SvmBackend::interrupts_enabled(Vcpu& vcpu) {
    const Vmcb& vmcb = vmcb_of(vcpu);
    return Rflags::InterruptEnable::read(vmcb.rflags) && (vmcb.interrupt_shadow & 1) == 0;
}

void SvmBackend::flush_guest_translations(Vcpu& vcpu) { vcpu.hardware().tag_generation = 0; }

void SvmBackend::note_position(Vcpu& vcpu) {
    vcpu.hardware().rip = vmcb_of(vcpu).rip;
    vcpu.hardware().instruction_length = 0;
}

void SvmBackend::begin_state_access(Vcpu& vcpu, uint32_t groups) {
    drop_shadow_step(vcpu);
    SvmCpu& cpu = SvmCpu::current();
    constexpr uint32_t debug = static_cast<uint32_t>(abi::VcpuStateGroup::DebugRegisters);
    if ((groups & debug) != 0) {
        save_debug_registers(vcpu.hardware().resident);
        cpu.resident = vcpu.hardware().resident;
    }
    vcpu.fpu().follow_cpu();
    // What VMSAVE stores has to be in the VMCB; the next entry loads it from there.
    leave();
}

namespace {
/// What VMRUN would refuse (APM vol. 2, 15.5.1). Not left to it: QEMU's failing VMRUN writes host state into the VMCB.
bool can_be_entered(const Vmcb& vmcb) {
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
}  // namespace

bool SvmBackend::end_state_write(Vcpu& vcpu, uint32_t) {
    SvmCpu& cpu = SvmCpu::current();
    load_debug_registers(vcpu.hardware().resident, cpu.resident);
    cpu.resident = vcpu.hardware().resident;
    vmcb_of(vcpu).tsc_offset = vcpu.hardware().tsc_offset;
    vmcb_of(vcpu).clean = 0;
    return can_be_entered(vmcb_of(vcpu));
}

namespace {
constexpr uint64_t blocking_by_nmi = 1 << 3;

template <typename T>
T& at(void* base, const StatePlace& place) {
    return *reinterpret_cast<T*>(static_cast<std::byte*>(base) + place.where);
}
void* base_of(Vcpu& vcpu, const StatePlace& place) {
    return place.kind == StatePlace::Kind::Hardware ? static_cast<void*>(&vcpu.hardware()) : vcpu.hardware().control_block;
}
}  // namespace

uint64_t SvmBackend::read_state(Vcpu& vcpu, const StateEntry& entry) {
    if (entry.svm.kind == StatePlace::Kind::None) return 0;
    void* base = base_of(vcpu, entry.svm);
    uint64_t value = 0;
    switch (entry.svm.bytes) {
        case sizeof(uint16_t): value = at<uint16_t>(base, entry.svm); break;
        case sizeof(uint32_t): value = at<uint32_t>(base, entry.svm); break;
        default: value = at<uint64_t>(base, entry.svm); break;
    }
    switch (entry.rule) {
        case StateRule::SegmentAccess: return access_rights(static_cast<uint16_t>(value));
        case StateRule::Efer: return value & ~x86::Efer::SvmEnable::mask;
        case StateRule::Interruptibility: return (value & 1) | (vcpu.hardware().nmi_blocked ? blocking_by_nmi : 0);
        default: return value;
    }
}

bool SvmBackend::write_state(Vcpu& vcpu, const StateEntry& entry, uint64_t value) {
    Vmcb& vmcb = vmcb_of(vcpu);
    switch (entry.rule) {
        case StateRule::SegmentAccess:
            value = vmcb_attributes(value);
            if (entry.offset == offsetof(abi::VcpuStatePage, ss.access)) vmcb.cpl = value >> 5 & 3;
            break;
        case StateRule::Efer:
            value |= x86::Efer::SvmEnable::mask;
            break;
        case StateRule::Interruptibility: {
            constexpr uint64_t shadow = 3;
            vcpu.hardware().nmi_blocked = (value & blocking_by_nmi) != 0;
            vmcb.intercept_1 = vcpu.hardware().nmi_blocked ? vmcb.intercept_1 | bit(SvmIntercept1::Iret)
                                                           : vmcb.intercept_1 & ~bit(SvmIntercept1::Iret);
            value = (value & shadow) != 0;
            break;
        }
        default:
            break;
    }
    void* base = base_of(vcpu, entry.svm);
    switch (entry.svm.bytes) {
        case sizeof(uint16_t): at<uint16_t>(base, entry.svm) = static_cast<uint16_t>(value); break;
        case sizeof(uint32_t): at<uint32_t>(base, entry.svm) = static_cast<uint32_t>(value); break;
        default: at<uint64_t>(base, entry.svm) = value; break;
    }
    return true;
}

std::optional<uint64_t> SvmBackend::read_msr(Vcpu& vcpu, uint32_t index) {
    const Vmcb& vmcb = vmcb_of(vcpu);
    switch (static_cast<x86::Msr>(index)) {
        case x86::Msr::Efer: return vmcb.efer & ~x86::Efer::SvmEnable::mask;
        case x86::Msr::Pat: return vmcb.pat;
        case x86::Msr::TscAux: return vcpu.hardware().resident.tsc_aux;
        default: return std::nullopt;
    }
}

bool SvmBackend::write_msr(Vcpu& vcpu, uint32_t index, uint64_t value) {
    Vmcb& vmcb = vmcb_of(vcpu);
    using x86::Efer;
    switch (static_cast<x86::Msr>(index)) {
        case x86::Msr::Efer: {
            if (!admissible(StateRule::Efer, value)) return false;
            // LME is fixed while paging is on (#GP: the monitor's); LMA is the CPU's.
            const bool paging = x86::Cr0::Paging::read(vmcb.cr0);
            if (paging && Efer::LongModeEnable::read(value) != Efer::LongModeEnable::read(vmcb.efer)) return false;
            vmcb.efer = (value & ~Efer::LongModeActive::mask) | (vmcb.efer & Efer::LongModeActive::mask) | Efer::SvmEnable::mask;
            vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::ControlRegisters::mask);
            return true;
        }
        case x86::Msr::Pat:
            if (!admissible(StateRule::PageAttributes, value)) return false;
            vmcb.pat = value;
            vmcb.clean &= ~static_cast<uint32_t>(x86::SvmClean::NestedPaging::mask);
            return true;
        case x86::Msr::TscAux: {
            if (value > UINT32_MAX) return false;
            SvmCpu& cpu = SvmCpu::current();
            vcpu.hardware().resident.tsc_aux = value;
            load_task_aux(value, cpu.resident.tsc_aux);
            cpu.resident.tsc_aux = value;
            return true;
        }
        default:
            return false;
    }
}

}  // namespace bulkhead::kernel
