// SPDX-License-Identifier: Apache-2.0
// VT-x: what an exit means. Intel SDM vol. 3C, 26.1, 28.2; vol. 3D, appendix C.
#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"

namespace bulkhead::kernel::vmx {

using abi::ExitReason;
using x86::EventInformation, x86::Interruptibility, x86::VmxExit, x86::VmxExitReason;

/// What was interrupted, or happened, as an event that can be injected.
static uint64_t event_from(uint64_t information, Field error_code) {
    const uint64_t event = information & UINT32_MAX & ~EventInformation::NmiUnblocking::mask;
    if (!EventInformation::HasErrorCode::read(event)) return event;
    return event | EventInformation::ErrorCode::make(static_cast<uint32_t>(read(error_code)));
}

/// The state of the guest, or the event, is one no CPU can have: the monitor's fault.
[[noreturn]] static void handle_refused_entry(Vcpu& vcpu, uint64_t reason, uint64_t qualification) {
    write(Field::EntryInterruption, 0);  // still valid, and perhaps what was wrong
    vcpu.hardware().injecting = false;
    note_position(vcpu);
    vcpu.on_other(ExitReason::InvalidState, reason, qualification);
}

/// An event the exit came in the middle of is delivered again at the next entry (SDM vol. 3C, 28.2.4).
static void inject_interrupted_event(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    const uint64_t information = read(Field::VectoringInformation);
    if (!EventInformation::Valid::read(information)) return;
    const uint64_t event = event_from(information, Field::VectoringErrorCode);
    hardware.interrupted = event;
    using Kind = EventInformation::Kind;
    const Kind kind = EventInformation::Type::read(event);
    if (kind >= Kind::FirstOfInstructions) write(Field::EntryInstructionLength, read(Field::InstructionLength));
    if (kind == Kind::Nmi)  // it was not delivered after all
        write(Field::GuestInterruptibility, read(Field::GuestInterruptibility) & ~Interruptibility::Nmi::mask);
    inject(vcpu, event);
}

[[noreturn]] static void handle_nested_fault(Vcpu& vcpu) {
    using Fault = x86::EptQualification;
    using abi::NestedFaultAccess;
    const uint64_t fault = read(Field::Qualification);
    inject_interrupted_event(vcpu);
    if (vcpu.hardware().interrupted == 0 && EventInformation::NmiUnblocking::read(fault))
        write(Field::GuestInterruptibility, read(Field::GuestInterruptibility) | Interruptibility::Nmi::mask);
    const bool walk = Fault::LinearValid::read(fault) && !Fault::FinalAccess::read(fault);
    vcpu.on_other(ExitReason::NestedFault, read(Field::GuestPhysicalAddress),
                  NestedFaultAccess::Read::make(Fault::Read::read(fault)) |
                      NestedFaultAccess::Write::make(Fault::Write::read(fault)) |
                      NestedFaultAccess::Execute::make(Fault::Execute::read(fault)) |
                      NestedFaultAccess::PageWalk::make(walk));
}

[[noreturn]] static void handle_exception(Vcpu& vcpu) {
    const uint64_t information = read(Field::ExitInterruption);
    const auto vector = static_cast<x86::Exception>(EventInformation::Vector::read(information));
    if (vector == x86::Exception::NonMaskable) asm volatile("int $2" : : : "memory");  // unblocks NMIs by its IRET
    if (vector == x86::Exception::MachineCheck) asm volatile("int $18" : : : "memory");
    if (vector == x86::Exception::NonMaskable || vector == x86::Exception::MachineCheck) vcpu.on_interrupt();
    // #DB and #AC are the guest's; they came here only so that an endless row of them lets interrupts in.
    inject_interrupted_event(vcpu);
    if (vector == x86::Exception::Debug) {
        constexpr uint64_t causes = 0x600f, breakpoints = 0xf, access_detected = 1 << 13, general_detect = 1 << 13;
        const uint64_t cause = read(Field::Qualification) & causes;
        write_dr6((read_dr6() & ~breakpoints) | cause);
        if ((cause & access_detected) != 0) write(Field::GuestDr7, read(Field::GuestDr7) & ~general_detect);
        write(Field::EntryInstructionLength, read(Field::InstructionLength));  // INT1 is of a kind that has one
    }
    inject(vcpu, event_from(information, Field::ExitErrorCode));
    vcpu.absorbed(ExitReason::Exception);
}

/// Only bits of the host exit. The ones that do no harm go into the shadow; then the instruction is executed again and
/// does the rest by itself, faults and changes of mode included.
[[noreturn]] static void handle_control_register(Vcpu& vcpu) {
    using Access = x86::CrQualification;
    const uint64_t qualification = read(Field::Qualification);
    const auto source = static_cast<GeneralRegister>(Access::GeneralRegister::read(qualification));
    const uint64_t value = source == GeneralRegister::Rsp ? read(Field::GuestRsp) : vcpu.hardware().frame[source];
    const uint8_t number = Access::Number::read(qualification);
    const bool move = Access::Access::read(qualification) == Access::Kind::MoveTo;
    if (move && number == 0 && ((value ^ read(Field::Cr0Shadow)) & cr0_of_host) != 0) {
        write(Field::Cr0Shadow, value & cr0_of_host);
        vcpu.absorbed(ExitReason::ControlRegister);
    }
    if (move && number == 4) {
        constexpr uint64_t osxsave = x86::Cr4::XsaveEnable::mask;
        const uint64_t before = read(Field::Cr4Shadow);
        const uint64_t changed = (value ^ before) & (~cr4_for_guests | osxsave) & UINT32_MAX;
        if (changed == osxsave && (cr4_for_guests & osxsave) != 0) {
            write(Field::Cr4Shadow, before ^ osxsave);
            write(Field::GuestCr4, (read(Field::GuestCr4) & ~osxsave) | (value & osxsave));
            vcpu.set_osxsave((value & osxsave) != 0);
            vcpu.absorbed(ExitReason::ControlRegister);
        }
    }
    vcpu.on_other(ExitReason::ControlRegister, number, value);
}

/// What every exit begins with.
static void take_exit(VcpuHardware& hardware) {
    hardware.launched = true;
    hardware.injecting = false;
    hardware.interrupted = 0;
}

extern "C" [[noreturn]] void vmx_entry_failed(Vcpu& vcpu) {
    handle_refused_entry(vcpu, read(Field::InstructionError), 0);
}

extern "C" [[noreturn]] void vmx_exit(Vcpu& vcpu, uint64_t reason) {
    VcpuHardware& hardware = vcpu.hardware();
    if (VmxExitReason::EntryFailure::read(reason)) [[unlikely]]
        handle_refused_entry(vcpu, reason, read(Field::Qualification));
    take_exit(hardware);
    const VmxExit basic = VmxExitReason::Basic::read(reason);
    switch (basic) {
        case VmxExit::ExternalInterrupt:
            external_interrupt_in_kernel(EventInformation::Vector::read(read(Field::ExitInterruption)));
            vcpu.on_interrupt();
        case VmxExit::PreemptionTimer:
            let_interrupts_in();
            vcpu.on_interrupt();
        case VmxExit::ExceptionOrNmi:
            handle_exception(vcpu);
        case VmxExit::InterruptWindow:
        case VmxExit::TprBelowThreshold:
            set_primary(vcpu, x86::PrimaryControl::InterruptWindowExit, false);
            vcpu.look_for_interrupts();
            vcpu.go_on();
        case VmxExit::NmiWindow:
            set_primary(vcpu, x86::PrimaryControl::NmiWindowExit, false);
            vcpu.look_for_nmi();
            vcpu.go_on();
        default:
            break;
    }
    note_position(vcpu);
    switch (basic) {
        case VmxExit::EptViolation:
            handle_nested_fault(vcpu);
        case VmxExit::TripleFault:
            vcpu.on_other(ExitReason::TripleFault);
        case VmxExit::VirtualizedEoi:
            vcpu.on_end_of_interrupt(static_cast<uint8_t>(read(Field::Qualification)));
        case VmxExit::TaskSwitch:
        case VmxExit::EptMisconfiguration:
            inject_interrupted_event(vcpu);
            vcpu.on_other(basic == VmxExit::TaskSwitch ? ExitReason::InstructionFetch : ExitReason::Unknown, reason,
                          read(Field::Qualification));
        default:
            break;
    }
    hardware.instruction_length = static_cast<uint8_t>(read(Field::InstructionLength));
    switch (basic) {
        case VmxExit::CrAccess:
            handle_control_register(vcpu);
        case VmxExit::Cpuid:
            vcpu.on_cpuid();
        case VmxExit::Rdmsr:
            vcpu.on_msr_read(hardware.frame.ecx());
        case VmxExit::Wrmsr:
            vcpu.on_msr_write(hardware.frame.ecx(), hardware.frame.edx_eax());
        case VmxExit::Xsetbv:
            vcpu.on_xsetbv(hardware.frame.ecx(), hardware.frame.edx_eax());
        case VmxExit::Hlt:
            vcpu.on_hlt();
        case VmxExit::Vmcall:
            vcpu.on_hypercall();
        default:
            break;
    }
    // From CPUID's on only instructions are left, which the monitor fetches and emulates, or refuses.
    if (basic >= VmxExit::Cpuid) vcpu.on_other(ExitReason::InstructionFetch, reason);
    vcpu.on_other(ExitReason::Unknown, reason, read(Field::Qualification));
}

/// An I/O instruction: not by way of `vmx_exit`, since the entry has looked whether a doorbell rings.
extern "C" [[noreturn]] void vmx_io_exit(Vcpu& vcpu, uint64_t qualification) {
    take_exit(vcpu.hardware());
    note_position(vcpu);
    vcpu.hardware().instruction_length = static_cast<uint8_t>(read(Field::InstructionLength));
    PortExit<x86::VmxIo>::deliver(vcpu, qualification);
}

}  // namespace bulkhead::kernel::vmx
