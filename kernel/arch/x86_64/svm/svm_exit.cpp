// SPDX-License-Identifier: Apache-2.0
// AMD-V: what an exit means. AMD APM vol. 2, 15.6 to 15.14, appendix C.
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"

namespace bulkhead::kernel::svm {

using abi::ExitReason;
using x86::EventInformation, x86::Rflags, x86::SvmClean, x86::SvmExit, x86::SvmIntercept1, x86::Vmcb;
using Step = VcpuHardware::Step;
using Virtual = x86::VirtualInterruptControl;

/// `unprefixed` is the length without prefixes, for CPUs that do not save the next RIP (docs/limits.md).
static void note_length(Vcpu& vcpu, uint8_t unprefixed) {
    constexpr uint64_t longest = 15;
    const uint64_t told = vmcb_of(vcpu).next_rip - vcpu.hardware().rip;
    vcpu.hardware().instruction_length = told - 1 < longest ? static_cast<uint8_t>(told) : unprefixed;
}

/// What every exit begins with.
[[gnu::always_inline]] static inline void take_exit(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    hardware.frame[GeneralRegister::Rax] = vmcb.rax;
    hardware.rip = vmcb.rip;
    hardware.instruction_length = 0;
    hardware.interrupted = 0;
    vmcb.clean = svm_clean_after_exit;
    if (hardware.injecting) {
        hardware.injecting = false;
        vmcb.event_injection = 0;
        if (take_back(vcpu)) vcpu.look_for_interrupts();
    }
    // MOV CR8 may have changed the VMCB's copy.
    const uint8_t priority = Virtual::TaskPriority::read(vmcb.virtual_interrupt);
    const auto task_priority = static_cast<uint8_t>(priority << 4);
    if (priority != vcpu.apic().task_priority() >> 4) vcpu.apic().set_task_priority(task_priority);
    // An event the exit came in the middle of is delivered again at the next entry (APM vol. 2, 15.7.2).
    if (EventInformation::Valid::read(vmcb.exit_event)) [[unlikely]] {
        hardware.interrupted = vmcb.exit_event;
        inject(vcpu, vmcb.exit_event);
        vmcb.exit_event = 0;
    }
}

/// The #DB behind an instruction. Returns if it is the guest's.
static void end_step(Vcpu& vcpu) {
    Vmcb& vmcb = vmcb_of(vcpu);
    const Step kind = std::exchange(vcpu.hardware().step, Step::None);
    if (kind == Step::None) return;
    if (kind == Step::NmiReturn) vcpu.hardware().nmi_blocked = false;
    look_again(vcpu);
    if (kind == Step::GuestsOwn) return;
    if (kind != Step::NmiReturn) vmcb.rflags &= ~Rflags::Trap::mask;  // the IRET has restored the flags
    vmcb.dr6 &= ~x86::SingleStep::mask;
    changed<SvmClean::DebugRegisters>(vmcb);
    vcpu.go_on();
}

[[noreturn]] static void handle_nested_fault(Vcpu& vcpu) {
    using Fault = x86::SvmNestedFault;
    using abi::NestedFaultAccess;
    const Vmcb& vmcb = vmcb_of(vcpu);
    const uint64_t fault = vmcb.exit_info_1;
    const bool write = Fault::Write::read(fault), execute = Fault::Execute::read(fault);
    vcpu.on_other(ExitReason::NestedFault, vmcb.exit_info_2,
                  NestedFaultAccess::Read::make(!write && !execute) | NestedFaultAccess::Write::make(write) |
                      NestedFaultAccess::Execute::make(execute) |
                      NestedFaultAccess::PageWalk::make(Fault::PageWalk::read(fault)));
}

extern "C" [[noreturn]] void svm_exit(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    Vmcb& vmcb = vmcb_of(vcpu);
    take_exit(vcpu);
    // -1 has 32 or 64 bits, depending on the CPU.
    const auto reason =
        static_cast<int32_t>(vmcb.exit_code) < 0 ? SvmExit::Invalid : static_cast<SvmExit>(vmcb.exit_code);
    // The instruction behind STI exits by itself: it needs no single step any more.
    const bool from_outside = reason >= SvmExit::Interrupt && reason <= SvmExit::Smi;
    if (hardware.step == Step::Shadow && !from_outside && reason != SvmExit::Debug) [[unlikely]]
        drop_shadow_step(vcpu);
    switch (reason) {
        case SvmExit::Interrupt:
        case SvmExit::Nmi:
        case SvmExit::Smi:
            leave();  // with GIF an NMI comes in, without it anything may
            let_interrupts_in();
            vcpu.on_interrupt();
        case SvmExit::VirtualInterrupt:
            drop_virtual_interrupt(vcpu);
            look_again(vcpu);
            vcpu.go_on();
        case SvmExit::WriteCr8:
            drop_virtual_interrupt(vcpu);
            begin_step(vcpu, Rflags::Trap::read(vmcb.rflags) ? Step::GuestsOwn : Step::TaskPriority);
            vcpu.absorbed(ExitReason::ControlRegister);
        case SvmExit::Iret:
            vmcb.intercept_1 &= ~static_cast<uint32_t>(SvmIntercept1::Iret);
            changed<SvmClean::Intercepts>(vmcb);
            begin_step(vcpu, Step::NmiReturn);
            vcpu.go_on();
        case SvmExit::MachineCheck:
            leave();
            asm volatile("int $18" : : : "memory");
            vcpu.on_interrupt();
        // #DB and #AC are the guest's; they come here only so that an endless row of them lets interrupts in.
        case SvmExit::Debug:
            end_step(vcpu);
            inject(vcpu, EventInformation::make(x86::Exception::Debug));
            vcpu.absorbed(ExitReason::Exception);
        case SvmExit::AlignmentCheck:
            inject(vcpu, EventInformation::make(x86::Exception::AlignmentCheck) | EventInformation::HasErrorCode::mask);
            vcpu.absorbed(ExitReason::Exception);
        case SvmExit::NestedPageFault:
            handle_nested_fault(vcpu);
        case SvmExit::Cpuid:
            note_length(vcpu, 2);
            vcpu.set_osxsave(x86::Cr4::XsaveEnable::read(vmcb.cr4));
            vcpu.fpu().follow_cpu();
            vcpu.on_cpuid();
        case SvmExit::Msr:
            note_length(vcpu, 2);
            if (const bool write = vmcb.exit_info_1 != 0; write)
                vcpu.on_msr_write(hardware.frame.ecx(), hardware.frame.edx_eax());
            vcpu.on_msr_read(hardware.frame.ecx());
        case SvmExit::Xsetbv:
            note_length(vcpu, 3);
            vcpu.on_xsetbv(hardware.frame.ecx(), hardware.frame.edx_eax());
        case SvmExit::Hlt:
            note_length(vcpu, 1);
            vcpu.on_hlt();
        case SvmExit::Vmmcall:
            note_length(vcpu, 3);
            vcpu.on_hypercall();
        case SvmExit::Shutdown:
            vcpu.on_other(ExitReason::TripleFault);
        case SvmExit::Invalid:
            vmcb.event_injection = 0;
            vcpu.on_other(ExitReason::InvalidState, vmcb.exit_code);
        default:
            break;
    }
    constexpr uint64_t first_instruction = 0x65, last_instruction = 0x8e;
    if (vmcb.exit_code >= first_instruction && vmcb.exit_code <= last_instruction) {
        note_length(vcpu, 0);
        vcpu.on_other(ExitReason::InstructionFetch, vmcb.exit_code);
    }
    vcpu.on_other(ExitReason::Unknown, vmcb.exit_code, vmcb.exit_info_1);
}

/// An I/O instruction: not by way of `svm_exit`, since the entry has looked whether a doorbell rings.
extern "C" [[noreturn]] void svm_io_exit(Vcpu& vcpu) {
    const Vmcb& vmcb = vmcb_of(vcpu);
    take_exit(vcpu);
    drop_shadow_step(vcpu);
    vcpu.hardware().instruction_length = static_cast<uint8_t>(vmcb.exit_info_2 - vmcb.rip);
    PortExit<x86::SvmIo>::deliver(vcpu, vmcb.exit_info_1);
}

}  // namespace bulkhead::kernel::svm
