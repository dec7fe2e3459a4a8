// SPDX-License-Identifier: Apache-2.0
// What a back-end keeps of each vCPU. Used on the vCPU's CPU with interrupts off.
#pragma once

#include "base/address.hpp"
#include "hw/x86/descriptor.hpp"

namespace bulkhead::kernel {

class Vcpu;

/// A register's number in instructions: index into GuestFrame::general.
enum class GeneralRegister : uint8_t { Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15 };

/// Where an exit saves the guest's registers, and what it goes on with. RSP is not among them (VMCS and VMCB
/// hold it); on VT-x its place is CR2's.
struct GuestFrame {
    uint64_t general[16];
    uint64_t kernel_stack_top;

    uint64_t& operator[](GeneralRegister index) { return general[static_cast<size_t>(index)]; }
    /// Operands of RDMSR, WRMSR and XSETBV.
    uint32_t ecx() { return static_cast<uint32_t>((*this)[GeneralRegister::Rcx]); }
    uint64_t edx_eax() { return (*this)[GeneralRegister::Rdx] << 32 | ((*this)[GeneralRegister::Rax] & UINT32_MAX); }
};

/// Registers of a guest that VMCS or VMCB do not hold. They stay in the CPU while native code runs, and are exchanged
/// only for another vCPU's. (DR7 is switched by the hardware, so DR0-3 have no effect on the host.)
struct ResidentRegisters {
    uint64_t debug[4];
    uint64_t debug_status;                         // DR6; in the VMCB on AMD-V
    uint64_t star, lstar, sfmask, kernel_gs_base;  // VT-x only
    uint64_t tsc_aux;
};

/// Those that exit: endless #AC and #DB would keep interrupts out for ever (CVE-2015-5307, CVE-2015-8104).
inline constexpr uint32_t intercepted_exceptions = 1u << static_cast<unsigned>(x86::Exception::AlignmentCheck) |
                                                   1u << static_cast<unsigned>(x86::Exception::Debug) |
                                                   1u << static_cast<unsigned>(x86::Exception::MachineCheck);

/// A vCPU as its back-end sees it.
struct VcpuHardware {
    GuestFrame frame{};
    ResidentRegisters resident{};
    uint64_t cstar = 0;        // Intel CPUs never use it
    uint64_t rip = 0;          // as of the last exit that was looked at
    uint64_t tsc_offset = 0;   // as VMCS or VMCB have it
    uint64_t interrupted = 0;  // event the last exit interrupted (EventInformation), injected again by itself
    uint8_t instruction_length = 0;
    bool injecting = false;   // an event is in the entry field and not yet delivered, or one is handed over
    uint8_t handed_over = 0;  // AMD-V: vector that the CPU delivers when the guest can take it; neither in IRR nor ISR
    bool launched = false;    // VT-x: VMRESUME, not VMLAUNCH
    bool apic_changed = false;  // ISR or TMR changed behind the hardware's back: its copies must follow
    bool nmi_blocked = false;   // AMD-V: the guest is in its NMI handler
    bool nmi_waits = false;     // AMD-V: another NMI came meanwhile
    enum class Step : uint8_t { None, TaskPriority, GuestsOwn, NmiReturn, Shadow };
    Step step = Step::None;         // AMD-V: one instruction is executed and then looked at
    uint64_t tag_generation = 0;    // AMD-V: when the ASID was handed out
    uint32_t controls = 0;          // VT-x: primary controls as last written
    uint32_t tpr_threshold = 0;     // VT-x: likewise
    void* control_block = nullptr;  // VMCS or VMCB
    PhysicalAddress control_block_address;
    PhysicalAddress virtual_apic_page;
    PhysicalAddress host_space;
    PhysicalAddress guest_space;
    uint64_t eoi_exit_bitmap[4] = {};
};

}  // namespace bulkhead::kernel
