// SPDX-License-Identifier: Apache-2.0
// Virtual CPUs: exits as portal calls, the state memory, the reply (architecture.md section 5).
//
// An exit the kernel does not absorb is a portal call from the vCPU to the portal bound with BindVcpu. It has a
// sequence number and is not over before a reply that names it. If the handler dies, or another portal is bound, the
// exit is delivered again, with the same number and the same words; R15 says how often that was because a handler died,
// so that a monitor can give up on an exit that kills one after the other.
//
//   exit call:  RAX tag, label = ExitLabel fields     reply: RAX tag, label = ReplyFlag bits
//               RDI badge of the portal
//               RSI sequence number                          RSI sequence number, as received
//               R8, R9, R10, RBX, R12 by reason              R8, R9, R10, RBX by reason
//               R13 guest RIP                                R12 changed groups, R13 event to inject,
//               R14 groups that are valid in the page        R14 timer deadline, R15 timer vector
//               R15 handlers that died over this exit
//
// By reason (call -> reply; with SkipInstruction the kernel moves RIP behind the instruction):
//   Cpuid        R8 EAX, R9 ECX, R10 XCR0 with bit 63 = CR4.OSXSAVE  -> R8 EAX, R9 EBX, R10 ECX, RBX EDX
//   MsrRead      R8 index                                            -> R8 value
//   MsrWrite     R8 index, R9 value                                  -> -
//   PortRead     R8 PortAccess                                       -> R8 value
//   PortWrite    R8 PortAccess, R9 value                             -> -
//   Hypercall    R8 RAX, R9 RBX, R10 RCX, RBX RDX, R12 RSI           -> R8 RAX
//   Hlt          -                                                   -> -   (Park: wait for an interrupt)
//   NestedFault  R8 guest-physical address, R9 NestedFaultAccess     -> -   (state through the page)
//   EndOfInterrupt R8 vector                                         -> -
//   others       R8, R9 as their comments say                        -> -
//
// The state memory is a memory object of two pages, owned by the guest domain and made with the vCPU: first
// `VcpuStatePage`, then the virtual-APIC page in the layout of the local APIC's registers (Intel SDM volume 3, 11.4.1).
// The state page is an in- and out-tray: the kernel's copy is authoritative, and it reads each field at most once.
#pragma once

#include <cstddef>

#include "base/bit_field.hpp"

namespace bulkhead::abi {

/// Vendor-neutral exit reasons.
enum class ExitReason : uint8_t {
    Startup = 0,  ///< the first exit of a vCPU: the page holds the architectural INIT state
    Cpuid,
    MsrRead,
    MsrWrite,
    PortRead,  ///< IN; INS with PortAccess::String
    PortWrite,
    Hypercall,  ///< VMCALL, VMMCALL
    Hlt,
    NestedFault,     ///< access to guest-physical memory that is not mapped so
    EndOfInterrupt,  ///< EOI of a vector whose TMR bit is set
    Recall,          ///< RecallVcpu was called
    TripleFault,
    InvalidState,      ///< the processor refused to enter: R8 raw reason, R9 qualification; fix the state and reply
    Exception,         ///< an exception the kernel intercepts and does not handle: R8 vector, R9 error code
    ControlRegister,   ///< an access the kernel does not allow by itself: R8 register number, R9 value
    Xsetbv,            ///< R8 index, R9 value: a value the host does not support; inject #GP
    InstructionFetch,  ///< an instruction that must be emulated or refused: R8 raw exit reason (INVD, MONITOR, ...)
    Unknown,           ///< R8 raw exit reason, R9 qualification
    Count
};

/// The 32-bit label of an exit call.
struct ExitLabel {
    using Reason = BitField<0, 8, ExitReason>;
    using InstructionLength = BitField<8, 4, uint8_t>;  ///< bytes; 0: not known (nested faults; AMD without next RIP)
};

/// R8 of PortRead and PortWrite.
struct PortAccess {
    using Port = BitField<0, 16, uint16_t>;
    using SizeBytes = BitField<16, 4, uint8_t>;  ///< 1, 2 or 4
    using String = Bit<20>;                      ///< INS, OUTS: operands are in memory; no value in a register
    using Repeat = Bit<21>;                      ///< with a REP prefix
};

/// R9 of NestedFault.
struct NestedFaultAccess {
    using Read = Bit<0>;
    using Write = Bit<1>;
    using Execute = Bit<2>;
    using PageWalk = Bit<3>;  ///< the access was made by the guest's own page-table walk
};

/// Bits of a reply's label.
enum class ReplyFlag : uint32_t {
    SkipInstruction = 1 << 0,  ///< done: go on behind the instruction (clears the interrupt shadow, honours TF)
    Park = 1 << 1,             ///< wait for a deliverable interrupt, an NMI or a recall before going on
    ParkUntilRecall = 1 << 2,  ///< wait for a recall only (an AP that waits for SIPI, a stopped guest)
    Inject = 1 << 3,           ///< inject R13 (`InjectedEvent`)
    SetTimer = 1 << 4,  ///< R14 is the timer's new deadline (absolute host TSC ticks; no_deadline: off), R15 its vector
    ApicChanged = 1 << 5,  ///< the handler changed TPR, ISR or TMR on the virtual-APIC page
};
using ReplyFlags = Flags<ReplyFlag>;

/// R13 of a reply with Inject: an exception for the guest, as if its instruction had caused it.
struct InjectedEvent {
    using Vector = BitField<0, 5, uint8_t>;  ///< 0..31
    using HasErrorCode = Bit<8>;
    using ErrorCode = BitField<32, 32, uint32_t>;
};

/// Groups of the state page that are transferred together. Bits of the masks.
enum class VcpuStateGroup : uint32_t {
    GeneralRegisters = 1 << 0,    ///< RAX..R15 but RSP
    InstructionPointer = 1 << 1,  ///< RIP, RSP, RFLAGS
    CodeSegments = 1 << 2,        ///< CS, SS
    DataSegments = 1 << 3,        ///< DS, ES, FS, GS
    SystemSegments = 1 << 4,      ///< LDTR, TR, GDTR, IDTR
    ControlRegisters = 1 << 5,    ///< CR0, CR2, CR3, CR4, EFER, XCR0
    DebugRegisters = 1 << 6,      ///< DR0..DR3, DR6, DR7
    SystemCallMsrs = 1 << 7,      ///< STAR, LSTAR, CSTAR, SFMASK, KERNEL_GS_BASE, SYSENTER_*, TSC_AUX
    PageAttributes = 1 << 8,      ///< PAT
    TimeStampCounter = 1 << 9,    ///< TSC offset
    Interruptibility = 1 << 10,   ///< blocking by STI, MOV SS, NMI
    ExitInformation = 1 << 11,  ///< out only: linear and physical address, raw reason, qualification, interrupted event
};
using VcpuStateGroups = Flags<VcpuStateGroup>;
inline constexpr uint32_t all_vcpu_state_groups = (1u << 12) - 1;

/// A segment register. Access rights in the format of the VMCS (Intel SDM volume 3, 25.4.1), bit 16 = unusable.
struct SegmentState {
    uint16_t selector;
    uint16_t reserved;
    uint32_t limit;
    uint64_t base;
    uint32_t access;
    uint32_t reserved2;
};

struct DescriptorTableState {
    uint64_t base;
    uint32_t limit;
    uint32_t reserved;
};

/// What the monitor asks of the kernel for one vCPU; lies in the state page and is read by BindVcpu.
struct VcpuConfiguration {
    uint32_t groups[static_cast<size_t>(ExitReason::Count)];  ///< groups to fill for each reason
    uint32_t absorb;                                          ///< AbsorbFlag bits
    uint32_t reserved;
};

/// What the kernel may do without the monitor.
enum class AbsorbFlag : uint32_t {
    Hlt = 1 << 0,          ///< parks the vCPU by itself
    TscDeadline = 1 << 1,  ///< takes writes of IA32_TSC_DEADLINE and sets the timer, with vector `timer_vector`
};

struct VcpuStatePage {
    // Filled by the kernel at each exit, for as many groups as the configuration asks; `valid` says which.
    uint32_t valid;
    uint32_t reserved0;

    uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rip, rflags;
    SegmentState es, cs, ss, ds, fs, gs, ldtr, tr;
    DescriptorTableState gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4, efer, xcr0;
    uint64_t dr0, dr1, dr2, dr3, dr6, dr7;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, tsc_aux;
    uint64_t pat;
    uint64_t tsc_offset;        ///< guest TSC = host TSC + offset
    uint64_t interruptibility;  ///< bit 0 STI, bit 1 MOV SS, bit 3 NMI (as the VMCS field)
    uint64_t exit_linear_address, exit_physical_address, exit_raw_reason, exit_qualification;
    uint64_t interrupted_event;  ///< IDT-vectoring information, 0: none; the kernel re-injects it by itself

    // Facts only the kernel knows, kept up to date while the vCPU exists.
    uint64_t stolen_ns;  ///< time it was ready but did not run
    uint32_t preempted;  ///< 1 while it is ready but not running
    uint32_t reserved1;

    // The timer of the vCPU, for a successor monitor: kernel to monitor only.
    uint64_t timer_deadline;
    uint64_t timer_vector;

    // Exit counters by reason, absorbed ones included: kernel to monitor only. Absorbed writes to ports are rings of
    // doorbells.
    uint64_t exits[32];
    uint64_t absorbed_exits[32];
    uint64_t missed_doorbells;  ///< rings of this vCPU that had nobody to be signalled to

    VcpuConfiguration configuration;  ///< monitor to kernel, read by BindVcpu
    uint32_t absorbed_timer_vector;   ///< monitor to kernel, read at each absorbed IA32_TSC_DEADLINE write; 0: masked
    uint32_t reserved2;
};
static_assert(sizeof(VcpuStatePage) <= 4096);

/// Offsets inside the state memory.
inline constexpr uint64_t virtual_apic_page_offset = 4096;
inline constexpr uint64_t vcpu_state_memory_bytes = 8192;

}  // namespace bulkhead::abi
