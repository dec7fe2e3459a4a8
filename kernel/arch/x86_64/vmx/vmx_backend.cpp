// SPDX-License-Identifier: Apache-2.0
// VT-x: loading a vCPU, entering, events, and its state.
#include "kernel/arch/x86_64/vmx/vmx_backend.hpp"

#include "hw/x86/control_register.hpp"
#include "hw/x86/vmx/exit.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/resident_registers.hpp"
#include "kernel/arch/x86_64/vmx/vmx_cpu.hpp"
#include "kernel/object/vcpu.hpp"

namespace bulkhead::kernel {

using namespace vmx;
using x86::Cr0, x86::Cr4, x86::EventInformation, x86::Interruptibility, x86::PrimaryControl, x86::Rflags;

extern "C" [[noreturn]] void vmx_enter(GuestFrame& frame, bool launched);

namespace {

/// What a guest changes without an exit: MOV DR, SWAPGS.
void save_resident(ResidentRegisters& registers) {
    save_debug_registers(registers);
    registers.debug_status = read_dr6();
    registers.kernel_gs_base = kernel::read_msr(x86::Msr::KernelGsBase);
}

/// Writes what differs. Every value was checked when it came in, and has a fixup on top.
void load_resident(const ResidentRegisters& wanted, ResidentRegisters& loaded) {
    load_debug_registers(wanted, loaded);
    if (wanted.debug_status != loaded.debug_status) write_dr6(wanted.debug_status);
    const auto update = [](x86::Msr index, uint64_t value, uint64_t before) {
        if (value != before) (void)write_msr_checked(index, value);
    };
    update(x86::Msr::Star, wanted.star, loaded.star);
    update(x86::Msr::Lstar, wanted.lstar, loaded.lstar);
    update(x86::Msr::SyscallMask, wanted.sfmask, loaded.sfmask);
    update(x86::Msr::KernelGsBase, wanted.kernel_gs_base, loaded.kernel_gs_base);
    loaded = wanted;
}

}  // namespace

void VmxBackend::load(Vcpu& vcpu) {
    if (Cpu::current().loaded_vcpu == &vcpu) [[likely]] return;
    load_other(vcpu);
}

void VmxBackend::load_other(Vcpu& vcpu) {
    VmxCpu& cpu = VmxCpu::current();
    if (Cpu::current().loaded_vcpu != nullptr) {
        save_resident(Cpu::current().loaded_vcpu->hardware().resident);
        cpu.resident = Cpu::current().loaded_vcpu->hardware().resident;
    }
    const bool current = make_current(vcpu.hardware().control_block_address);
    ASSERT(current);
    load_resident(vcpu.hardware().resident, cpu.resident);
    Cpu::current().loaded_vcpu = &vcpu;
}

void VmxBackend::destroy(Vcpu& vcpu) {
    VmxCpu& cpu = VmxCpu::current();
    if (Cpu::current().loaded_vcpu == &vcpu) {
        save_resident(cpu.resident);
        Cpu::current().loaded_vcpu = nullptr;
    }
    clear(vcpu.hardware().control_block_address);
}

void VmxBackend::enter(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    Cpu& cpu = Cpu::current();
    cpu.loaded_root = hardware.host_space;  // what the exit loads
    cpu.task_register_cut = true;
    cpu.fs_base = cpu.gs_base = 0;
    vmx_enter(hardware.frame, hardware.launched);
}

void VmxBackend::set_primary(Vcpu& vcpu, PrimaryControl control, bool on) {
    uint32_t& controls = vcpu.hardware().controls;
    const uint32_t bit = static_cast<uint32_t>(control);
    const uint32_t wanted = on ? controls | bit : controls & ~bit;
    if (wanted == controls) return;
    controls = wanted;
    write(Field::PrimaryControls, wanted);
}

void VmxBackend::skip_instruction(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    constexpr uint64_t shadow = Interruptibility::Sti::mask | Interruptibility::MovSs::mask;
    const uint64_t blocking = read(Field::GuestInterruptibility);
    if ((blocking & shadow) != 0) write(Field::GuestInterruptibility, blocking & ~shadow);
    hardware.rip += hardware.instruction_length;
    hardware.instruction_length = 0;
    write(Field::GuestRip, hardware.rip);
    if (Rflags::Trap::read(read(Field::GuestRflags))) [[unlikely]]
        write(Field::GuestPendingDebug, x86::PendingDebug::SingleStep::mask);
}

void VmxBackend::inject(Vcpu& vcpu, uint64_t event) {
    vcpu.hardware().injecting = true;
    if (EventInformation::HasErrorCode::read(event)) write(Field::EntryErrorCode, EventInformation::ErrorCode::read(event));
    write(Field::EntryInterruption, event & UINT32_MAX);
}

void VmxBackend::deliver_nmi(Vcpu& vcpu) {
    constexpr uint64_t blocked = Interruptibility::Sti::mask | Interruptibility::MovSs::mask | Interruptibility::Nmi::mask;
    if (vcpu.hardware().injecting || (read(Field::GuestInterruptibility) & blocked) != 0) {
        set_primary(vcpu, PrimaryControl::NmiWindowExit, true);
        return;
    }
    inject(vcpu, EventInformation::make(static_cast<uint8_t>(x86::Exception::NonMaskable), EventInformation::Kind::Nmi));
}

void VmxBackend::deliver_interrupts(Vcpu& vcpu) {
    if (controls_.interrupt_delivery) {
        hardware_delivery(vcpu);
    } else {
        software_delivery(vcpu);
    }
}

/// The CPU reads the page by itself; it has to be told what the largest request is (SDM vol. 3C, 30.2).
void VmxBackend::hardware_delivery(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    constexpr Field bitmaps[] = {Field::EoiExitBitmap0, Field::EoiExitBitmap1, Field::EoiExitBitmap2, Field::EoiExitBitmap3};
    for (unsigned quarter = 0; quarter < 4; ++quarter) {
        const uint64_t level = vcpu.apic().level_vectors(quarter);
        if (level == hardware.eoi_exit_bitmap[quarter]) continue;
        hardware.eoi_exit_bitmap[quarter] = level;
        write(bitmaps[quarter], level);
    }
    using Status = x86::GuestInterruptStatus;
    const uint64_t before = read(Field::GuestInterruptStatus);
    uint64_t status = Status::Requesting::write(before, vcpu.apic().highest(VirtualApic::Register::Irr).value_or(0));
    if (hardware.apic_changed)
        status = Status::Servicing::write(status, vcpu.apic().highest(VirtualApic::Register::Isr).value_or(0));
    hardware.apic_changed = false;
    if (status != before) write(Field::GuestInterruptStatus, status);
}

void VmxBackend::software_delivery(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    constexpr unsigned class_shift = 4;
    const auto vector = vcpu.apic().deliverable();
    const uint32_t threshold = vector ? 0u : vcpu.apic().held_by_task_priority().value_or(0) >> class_shift;
    if (threshold != hardware.tpr_threshold) {
        hardware.tpr_threshold = threshold;
        write(Field::TprThreshold, threshold);
    }
    if (!vector) return;
    if (hardware.injecting || !interrupts_enabled(vcpu)) {
        set_primary(vcpu, PrimaryControl::InterruptWindowExit, true);
        return;
    }
    vcpu.apic().accept(*vector);
    inject(vcpu, EventInformation::make(*vector, EventInformation::Kind::External));
}

bool VmxBackend::interrupts_enabled(Vcpu&) {
    constexpr uint64_t shadow = Interruptibility::Sti::mask | Interruptibility::MovSs::mask;
    return Rflags::InterruptEnable::read(read(Field::GuestRflags)) && (read(Field::GuestInterruptibility) & shadow) == 0;
}

void VmxBackend::flush_guest_translations(Vcpu& vcpu) {
    const bool single = x86::EptVpidCapability::InveptSingle::read(ept_vpid_);
    invalidate_ept(single ? Invalidation::Single : Invalidation::All,
                   vcpu.hardware().guest_space.value() | x86::EptPointer::write_back_four_levels);
}

void VmxBackend::set_host_space(Vcpu& vcpu, PhysicalAddress root) {
    load(vcpu);
    write(Field::HostCr3, root.value());
}

void VmxBackend::note_position(Vcpu& vcpu) {
    vcpu.hardware().rip = read(Field::GuestRip);
    vcpu.hardware().instruction_length = 0;
}

void VmxBackend::begin_state_access(Vcpu& vcpu, uint32_t groups) {
    constexpr uint32_t resident = static_cast<uint32_t>(abi::VcpuStateGroup::DebugRegisters) |
                                  static_cast<uint32_t>(abi::VcpuStateGroup::SystemCallMsrs);
    if ((groups & resident) == 0) return;
    save_resident(vcpu.hardware().resident);
    VmxCpu::current().resident = vcpu.hardware().resident;
}

/// What does not go together fails the next VM entry, which leaves the VMCS as it is.
bool VmxBackend::end_state_write(Vcpu& vcpu, uint32_t) {
    VcpuHardware& hardware = vcpu.hardware();
    load_resident(hardware.resident, VmxCpu::current().resident);
    if (hardware.tsc_offset != hardware.written_tsc_offset) {
        hardware.written_tsc_offset = hardware.tsc_offset;
        write(Field::TscOffset, hardware.tsc_offset);
    }
    return true;
}

namespace {
uint64_t& hardware_word(Vcpu& vcpu, const StatePlace& place) {
    return *reinterpret_cast<uint64_t*>(reinterpret_cast<std::byte*>(&vcpu.hardware()) + place.where);
}
/// A control register as the guest sees it: bits of the host come from the shadow.
uint64_t seen_by_guest(uint64_t real, Field mask, Field shadow) {
    const uint64_t hosts = read(mask);
    return (real & ~hosts) | (read(shadow) & hosts);
}
}  // namespace

uint64_t VmxBackend::read_state(Vcpu& vcpu, const StateEntry& entry) {
    if (entry.vmx.kind == StatePlace::Kind::None) return 0;
    if (entry.vmx.kind == StatePlace::Kind::Hardware) return hardware_word(vcpu, entry.vmx);
    const uint64_t value = read(static_cast<Field>(entry.vmx.where));
    if (entry.rule == StateRule::Cr0) return seen_by_guest(value, Field::Cr0Mask, Field::Cr0Shadow);
    if (entry.rule == StateRule::Cr4) return seen_by_guest(value, Field::Cr4Mask, Field::Cr4Shadow);
    return value;
}

bool VmxBackend::write_state(Vcpu& vcpu, const StateEntry& entry, uint64_t value) {
    if (entry.vmx.kind == StatePlace::Kind::Hardware) {
        hardware_word(vcpu, entry.vmx) = value;
        return true;
    }
    switch (entry.rule) {
        case StateRule::Cr0:
            if (value > UINT32_MAX) return false;
            write(Field::Cr0Shadow, value);
            value = (value & ~cr0_of_host) | Cr0::NumericError::mask;
            break;
        case StateRule::Cr4:
            if ((value & ~cr4_guest_) != 0) return false;
            write(Field::Cr4Shadow, value);
            vcpu.set_osxsave(Cr4::XsaveEnable::read(value));
            value |= Cr4::VmxEnable::mask;
            break;
        case StateRule::Efer: {
            constexpr auto long_mode = static_cast<uint32_t>(x86::EntryControl::LongModeGuest);
            const uint64_t controls = read(Field::EntryControls) & ~uint64_t{long_mode};
            write(Field::EntryControls, controls | (x86::Efer::LongModeActive::read(value) ? long_mode : 0));
            break;
        }
        default:
            break;
    }
    write(static_cast<Field>(entry.vmx.where), value);
    return true;
}

std::optional<uint64_t> VmxBackend::read_msr(Vcpu& vcpu, uint32_t index) {
    switch (static_cast<x86::Msr>(index)) {
        case x86::Msr::Cstar: return vcpu.hardware().cstar;
        case x86::Msr::TscAux: return vcpu.hardware().resident.tsc_aux;
        default: return std::nullopt;
    }
}

bool VmxBackend::write_msr(Vcpu& vcpu, uint32_t index, uint64_t value) {
    VcpuHardware& hardware = vcpu.hardware();
    uint64_t* kept = nullptr;
    StateRule rule = StateRule::Plain;
    switch (static_cast<x86::Msr>(index)) {
        case x86::Msr::Star: kept = &hardware.resident.star; break;
        case x86::Msr::Lstar: kept = &hardware.resident.lstar; rule = StateRule::Canonical; break;
        case x86::Msr::Cstar: kept = &hardware.cstar; rule = StateRule::Canonical; break;
        case x86::Msr::SyscallMask: kept = &hardware.resident.sfmask; rule = StateRule::Limited32; break;
        case x86::Msr::KernelGsBase: kept = &hardware.resident.kernel_gs_base; rule = StateRule::Canonical; break;
        case x86::Msr::TscAux: kept = &hardware.resident.tsc_aux; rule = StateRule::Limited32; break;
        default: return false;
    }
    // What the rule would change is #GP on the CPU: the monitor's to inject.
    if (admissible(rule, value) != value) return false;
    save_resident(hardware.resident);
    VmxCpu::current().resident = hardware.resident;
    *kept = value;
    load_resident(hardware.resident, VmxCpu::current().resident);
    return true;
}

}  // namespace bulkhead::kernel
