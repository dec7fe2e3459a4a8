// SPDX-License-Identifier: Apache-2.0
// The state of a virtual CPU as one table: member of the state page, its group, where VT-x and AMD-V keep it, and
// which MSR it is. Saving and loading fold over it. Pure data; host-testable.
#pragma once

#include <optional>

#include "abi/vcpu.hpp"
#include "hw/x86/control_register.hpp"
#include "hw/x86/svm.hpp"
#include "hw/x86/vmx.hpp"
#include "kernel/arch/x86_64/vcpu_hardware.hpp"

namespace bulkhead::kernel {

// clang-format off
/// What is to be done with a value beside copying it.
enum class StateRule : uint8_t {
    Plain, Limited32, Canonical, Rflags, Cr0, Cr4, Efer, Xcr0, DebugStatus, DebugControl, PageAttributes, SegmentAccess,
    Interruptibility, InstructionPointer, TscOffset, ReadOnly,
};
// clang-format on

/// Where a back-end keeps a value: a VMCS field, a place in the VMCB, or VcpuHardware.
struct StatePlace {
    enum class Kind : uint8_t { None, ControlBlock, Hardware };
    Kind kind = Kind::None;
    uint8_t bytes = 8;
    uint16_t where = 0;
};

struct StateEntry {
    abi::VcpuStateGroup group;
    uint16_t offset;  // in VcpuStatePage
    uint8_t bytes;
    StateRule rule;
    StatePlace vmx, svm;
    std::optional<x86::Msr> msr{};  // if access to it is an exit on one of the back-ends
};

namespace state_table {

using Page = abi::VcpuStatePage;

constexpr StatePlace control_block(size_t where, uint8_t bytes = 8) {
    return {StatePlace::Kind::ControlBlock, bytes, static_cast<uint16_t>(where)};
}
constexpr StatePlace hardware(size_t offset) { return {StatePlace::Kind::Hardware, 8, static_cast<uint16_t>(offset)}; }

#define ENTRY(group, member, rule, ...) \
    {abi::VcpuStateGroup::group, offsetof(Page, member), sizeof(Page::member), StateRule::rule, __VA_ARGS__}
#define VMCS(field) control_block(static_cast<size_t>(x86::VmcsField::field))
#define VMCB(member) control_block(offsetof(x86::Vmcb, member), sizeof(x86::Vmcb::member))
#define HARDWARE(member) hardware(offsetof(VcpuHardware, member))
#define GENERAL(name) HARDWARE(frame.general[static_cast<size_t>(GeneralRegister::name)])
#define GENERAL_ENTRY(member, name) ENTRY(GeneralRegisters, member, Plain, GENERAL(name), GENERAL(name))
#define SEGMENT(group, member, Name)                                                                   \
    ENTRY(group, member.selector, Plain, VMCS(Guest##Name##Selector), VMCB(member.selector)),          \
        ENTRY(group, member.limit, Plain, VMCS(Guest##Name##Limit), VMCB(member.limit)),               \
        ENTRY(group, member.base, Canonical, VMCS(Guest##Name##Base), VMCB(member.base)),              \
        ENTRY(group, member.access, SegmentAccess, VMCS(Guest##Name##Access), VMCB(member.attributes))

// clang-format off
inline constexpr StateEntry entries[] = {
    // MSRs, the other way to them: first, to be found soon. EFER, with which CR0 is judged, comes before that.
    ENTRY(SystemCallMsrs, star, Plain, HARDWARE(resident.star), VMCB(star), x86::Msr::Star),
    ENTRY(SystemCallMsrs, lstar, Canonical, HARDWARE(resident.lstar), VMCB(lstar), x86::Msr::Lstar),
    ENTRY(SystemCallMsrs, cstar, Canonical, HARDWARE(cstar), VMCB(cstar), x86::Msr::Cstar),
    ENTRY(SystemCallMsrs, sfmask, Limited32, HARDWARE(resident.sfmask), VMCB(sfmask), x86::Msr::SyscallMask),
    ENTRY(SystemCallMsrs, kernel_gs_base, Canonical, HARDWARE(resident.kernel_gs_base), VMCB(kernel_gs_base),
          x86::Msr::KernelGsBase),
    ENTRY(SystemCallMsrs, tsc_aux, Limited32, HARDWARE(resident.tsc_aux), HARDWARE(resident.tsc_aux), x86::Msr::TscAux),
    ENTRY(ControlRegisters, efer, Efer, VMCS(GuestEfer), VMCB(efer), x86::Msr::Efer),
    ENTRY(PageAttributes, pat, PageAttributes, VMCS(GuestPat), VMCB(pat), x86::Msr::Pat),

    GENERAL_ENTRY(rax, Rax), GENERAL_ENTRY(rcx, Rcx), GENERAL_ENTRY(rdx, Rdx), GENERAL_ENTRY(rbx, Rbx),
    GENERAL_ENTRY(rbp, Rbp), GENERAL_ENTRY(rsi, Rsi), GENERAL_ENTRY(rdi, Rdi), GENERAL_ENTRY(r8, R8),
    GENERAL_ENTRY(r9, R9),   GENERAL_ENTRY(r10, R10), GENERAL_ENTRY(r11, R11), GENERAL_ENTRY(r12, R12),
    GENERAL_ENTRY(r13, R13), GENERAL_ENTRY(r14, R14), GENERAL_ENTRY(r15, R15),

    ENTRY(InstructionPointer, rip, InstructionPointer, VMCS(GuestRip), VMCB(rip)),
    ENTRY(InstructionPointer, rsp, Plain, VMCS(GuestRsp), VMCB(rsp)),
    ENTRY(InstructionPointer, rflags, Rflags, VMCS(GuestRflags), VMCB(rflags)),

    SEGMENT(CodeSegments, cs, Cs),
    SEGMENT(CodeSegments, ss, Ss),
    SEGMENT(DataSegments, ds, Ds),
    SEGMENT(DataSegments, es, Es),
    SEGMENT(DataSegments, fs, Fs),
    SEGMENT(DataSegments, gs, Gs),
    SEGMENT(SystemSegments, ldtr, Ldtr),
    SEGMENT(SystemSegments, tr, Tr),
    ENTRY(SystemSegments, gdtr.base, Canonical, VMCS(GuestGdtrBase), VMCB(gdtr.base)),
    ENTRY(SystemSegments, gdtr.limit, Plain, VMCS(GuestGdtrLimit), VMCB(gdtr.limit)),
    ENTRY(SystemSegments, idtr.base, Canonical, VMCS(GuestIdtrBase), VMCB(idtr.base)),
    ENTRY(SystemSegments, idtr.limit, Plain, VMCS(GuestIdtrLimit), VMCB(idtr.limit)),

    ENTRY(ControlRegisters, cr0, Cr0, VMCS(GuestCr0), VMCB(cr0)),
    ENTRY(ControlRegisters, cr2, Plain, GENERAL(Rsp), VMCB(cr2)),
    ENTRY(ControlRegisters, cr3, Plain, VMCS(GuestCr3), VMCB(cr3)),
    ENTRY(ControlRegisters, cr4, Cr4, VMCS(GuestCr4), VMCB(cr4)),
    ENTRY(ControlRegisters, xcr0, Xcr0, {}, {}),

    ENTRY(DebugRegisters, dr0, Plain, HARDWARE(resident.debug[0]), HARDWARE(resident.debug[0])),
    ENTRY(DebugRegisters, dr1, Plain, HARDWARE(resident.debug[1]), HARDWARE(resident.debug[1])),
    ENTRY(DebugRegisters, dr2, Plain, HARDWARE(resident.debug[2]), HARDWARE(resident.debug[2])),
    ENTRY(DebugRegisters, dr3, Plain, HARDWARE(resident.debug[3]), HARDWARE(resident.debug[3])),
    ENTRY(DebugRegisters, dr6, DebugStatus, HARDWARE(resident.debug_status), VMCB(dr6)),
    ENTRY(DebugRegisters, dr7, DebugControl, VMCS(GuestDr7), VMCB(dr7)),

    ENTRY(SystemCallMsrs, sysenter_cs, Limited32, VMCS(GuestSysenterCs), VMCB(sysenter_cs)),
    ENTRY(SystemCallMsrs, sysenter_esp, Canonical, VMCS(GuestSysenterEsp), VMCB(sysenter_esp)),
    ENTRY(SystemCallMsrs, sysenter_eip, Canonical, VMCS(GuestSysenterEip), VMCB(sysenter_eip)),
    ENTRY(TimeStampCounter, tsc_offset, TscOffset, VMCS(TscOffset), VMCB(tsc_offset)),
    ENTRY(Interruptibility, interruptibility, Interruptibility, VMCS(GuestInterruptibility), VMCB(interrupt_shadow)),

    ENTRY(ExitInformation, exit_linear_address, ReadOnly, VMCS(GuestLinearAddress), {}),
    ENTRY(ExitInformation, exit_physical_address, ReadOnly, VMCS(GuestPhysicalAddress), VMCB(exit_info_2)),
    ENTRY(ExitInformation, exit_raw_reason, ReadOnly, VMCS(ExitReason), VMCB(exit_code)),
    ENTRY(ExitInformation, exit_qualification, ReadOnly, VMCS(Qualification), VMCB(exit_info_1)),
    ENTRY(ExitInformation, interrupted_event, ReadOnly, HARDWARE(interrupted), HARDWARE(interrupted)),
};
// clang-format on

#undef ENTRY
#undef VMCS
#undef VMCB
#undef HARDWARE
#undef GENERAL
#undef GENERAL_ENTRY
#undef SEGMENT

/// A value of 2, 4 or 8 bytes, read or written once.
inline uint64_t load(const void* from, uint8_t bytes) {
    if (bytes == sizeof(uint16_t)) return __atomic_load_n(static_cast<const uint16_t*>(from), __ATOMIC_RELAXED);
    if (bytes == sizeof(uint32_t)) return __atomic_load_n(static_cast<const uint32_t*>(from), __ATOMIC_RELAXED);
    return __atomic_load_n(static_cast<const uint64_t*>(from), __ATOMIC_RELAXED);
}
inline void store(void* to, uint8_t bytes, uint64_t value) {
    const auto as = [&]<typename Word>(Word word) { __atomic_store_n(static_cast<Word*>(to), word, __ATOMIC_RELAXED); };
    if (bytes == sizeof(uint16_t)) return as(static_cast<uint16_t>(value));
    if (bytes == sizeof(uint32_t)) return as(static_cast<uint32_t>(value));
    as(value);
}

}  // namespace state_table

/// The value as it may go to hardware; nothing if it can never be right. CR0, CR4 and XCR0 depend on the CPU: those the
/// back-end and the FPU code judge.
constexpr std::optional<uint64_t> admissible(StateRule rule, uint64_t value) {
    using x86::Efer;
    const auto only = [value](uint64_t settable, uint64_t ones = 0) { return (value & settable) | ones; };
    const auto if_valid = [value](bool valid) { return valid ? std::optional{value} : std::nullopt; };
    switch (rule) {
        case StateRule::Limited32: return only(UINT32_MAX);
        case StateRule::Rflags: return only(0x3f7fd5, x86::Rflags::AlwaysOne::mask);
        case StateRule::DebugStatus: return only(0xe00f, 0xffff0ff0);
        case StateRule::DebugControl: return only(0xffff2bff, 0x400);
        case StateRule::SegmentAccess: return only(0x1f0ff);
        case StateRule::Interruptibility: return only(0xb);
        case StateRule::Canonical: return if_valid(value + (uint64_t{1} << 47) < uint64_t{1} << 48);
        case StateRule::Efer:
            return if_valid(value == only(Efer::SystemCallEnable::mask | Efer::LongModeEnable::mask |
                                          Efer::LongModeActive::mask | Efer::NoExecuteEnable::mask));
        case StateRule::PageAttributes:
            for (unsigned index = 0; index < 8; ++index) {
                const unsigned type = value >> index * 8 & 0xff;
                if (type > 7 || type == 2 || type == 3) return std::nullopt;
            }
            return value;
        default: return value;
    }
}

/// Makes a cleared page that of a processor after INIT (SDM vol. 3A, table 10-1), but for bits that are always set.
constexpr void set_init_state(abi::VcpuStatePage& page) {
    constexpr uint32_t limit = 0xffff, code = 0x9b, data = 0x93, local_table = 0x82, task_state = 0x8b;
    page.rip = 0xfff0;
    page.rdx = 0x600;  // family 6
    page.cs = {.selector = 0xf000, .reserved = 0, .limit = limit, .base = 0xffff0000, .access = code, .reserved2 = 0};
    page.ss = page.ds = page.es = page.fs = page.gs = page.ldtr = page.tr = {0, 0, limit, 0, data, 0};
    page.ldtr.access = local_table;
    page.tr.access = task_state;
    page.gdtr.limit = page.idtr.limit = limit;
    page.cr0 = 0x60000010;
    page.xcr0 = 1;
    page.pat = 0x0007040600070406;
}

/// VMX access rights <-> the attribute word of a VMCB segment, where what is not present is not usable.
inline constexpr uint64_t unusable_segment = 1 << 16;
constexpr uint16_t vmcb_attributes(uint64_t access) {
    return (access & unusable_segment) != 0 ? 0 : static_cast<uint16_t>((access & 0xff) | (access >> 4 & 0xf00));
}
constexpr uint64_t access_rights(uint16_t attributes) {
    constexpr uint16_t present = 1 << 7;
    return (attributes & 0xffu) | (attributes & 0xf00u) << 4 | ((attributes & present) != 0 ? 0 : unusable_segment);
}

}  // namespace bulkhead::kernel
