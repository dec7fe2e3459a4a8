// SPDX-License-Identifier: Apache-2.0
// The state of a virtual CPU as one table: member of the state page, its group, where VT-x and AMD-V keep it. Saving
// and loading fold over it. Pure data; host-testable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "abi/vcpu.hpp"
#include "hw/x86/control_register.hpp"
#include "hw/x86/svm/vmcb.hpp"
#include "hw/x86/vmx/vmcs.hpp"
#include "kernel/arch/x86_64/vcpu_hardware.hpp"

namespace bulkhead::kernel {

/// What is to be done with a value beside copying it.
enum class StateRule : uint8_t {
    Plain,
    Limited32,  ///< upper half ignored
    Canonical,
    Rflags,
    Cr0,
    Cr4,
    Efer,
    Xcr0,
    DebugStatus,
    DebugControl,
    PageAttributes,
    SegmentAccess,
    Interruptibility,
    InstructionPointer,
    ReadOnly,
};

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
    StatePlace vmx;
    StatePlace svm;
};

namespace state_table {

using Group = abi::VcpuStateGroup;
using Page = abi::VcpuStatePage;
using Field = x86::VmcsField;

constexpr StatePlace vmcs(Field field) { return {StatePlace::Kind::ControlBlock, 8, static_cast<uint16_t>(field)}; }
constexpr StatePlace vmcb(size_t offset, uint8_t bytes = 8) {
    return {StatePlace::Kind::ControlBlock, bytes, static_cast<uint16_t>(offset)};
}
constexpr StatePlace hardware(size_t offset) { return {StatePlace::Kind::Hardware, 8, static_cast<uint16_t>(offset)}; }
constexpr StatePlace general(GeneralRegister index) {
    return hardware(offsetof(VcpuHardware, frame) + static_cast<size_t>(index) * sizeof(uint64_t));
}
constexpr StatePlace resident(size_t offset) { return hardware(offsetof(VcpuHardware, resident) + offset); }

#define PAGE(member) offsetof(Page, member), sizeof(Page::member)
#define VMCB(member) vmcb(offsetof(x86::Vmcb, member), sizeof(x86::Vmcb::member))
#define GENERAL(member, name)                                                                              \
    StateEntry {                                                                                           \
        Group::GeneralRegisters, PAGE(member), StateRule::Plain, general(GeneralRegister::name),           \
            general(GeneralRegister::name)                                                                 \
    }
// Four values each; the fields of a segment stand in the same order in every group of the VMCS.
#define SEGMENT(group, member, Name)                                                                                   \
    StateEntry{group, PAGE(member.selector), StateRule::Plain, vmcs(Field::Guest##Name##Selector), VMCB(member.selector)}, \
        StateEntry{group, PAGE(member.limit), StateRule::Plain, vmcs(Field::Guest##Name##Limit), VMCB(member.limit)},  \
        StateEntry{group, PAGE(member.base), StateRule::Canonical, vmcs(Field::Guest##Name##Base), VMCB(member.base)}, \
        StateEntry {                                                                                                   \
        group, PAGE(member.access), StateRule::SegmentAccess, vmcs(Field::Guest##Name##Access), VMCB(member.attributes) \
    }
#define TABLE(member, Name)                                                                                            \
    StateEntry{Group::SystemSegments, PAGE(member.base), StateRule::Canonical, vmcs(Field::Guest##Name##Base),         \
               VMCB(member.base)},                                                                                     \
        StateEntry {                                                                                                   \
        Group::SystemSegments, PAGE(member.limit), StateRule::Plain, vmcs(Field::Guest##Name##Limit), VMCB(member.limit) \
    }

inline constexpr StateEntry entries[] = {
    GENERAL(rax, Rax),
    GENERAL(rcx, Rcx),
    GENERAL(rdx, Rdx),
    GENERAL(rbx, Rbx),
    GENERAL(rbp, Rbp),
    GENERAL(rsi, Rsi),
    GENERAL(rdi, Rdi),
    GENERAL(r8, R8),
    GENERAL(r9, R9),
    GENERAL(r10, R10),
    GENERAL(r11, R11),
    GENERAL(r12, R12),
    GENERAL(r13, R13),
    GENERAL(r14, R14),
    GENERAL(r15, R15),

    {Group::InstructionPointer, PAGE(rip), StateRule::InstructionPointer, vmcs(Field::GuestRip), VMCB(rip)},
    {Group::InstructionPointer, PAGE(rsp), StateRule::Plain, vmcs(Field::GuestRsp), VMCB(rsp)},
    {Group::InstructionPointer, PAGE(rflags), StateRule::Rflags, vmcs(Field::GuestRflags), VMCB(rflags)},

    SEGMENT(Group::CodeSegments, cs, Cs),
    SEGMENT(Group::CodeSegments, ss, Ss),
    SEGMENT(Group::DataSegments, ds, Ds),
    SEGMENT(Group::DataSegments, es, Es),
    SEGMENT(Group::DataSegments, fs, Fs),
    SEGMENT(Group::DataSegments, gs, Gs),
    SEGMENT(Group::SystemSegments, ldtr, Ldtr),
    SEGMENT(Group::SystemSegments, tr, Tr),
    TABLE(gdtr, Gdtr),
    TABLE(idtr, Idtr),

    // EFER first: whether the guest is in long mode is judged with CR0 behind it.
    {Group::ControlRegisters, PAGE(efer), StateRule::Efer, vmcs(Field::GuestEfer), VMCB(efer)},
    {Group::ControlRegisters, PAGE(cr0), StateRule::Cr0, vmcs(Field::GuestCr0), VMCB(cr0)},
    {Group::ControlRegisters, PAGE(cr2), StateRule::Plain, general(GeneralRegister::Rsp), VMCB(cr2)},
    {Group::ControlRegisters, PAGE(cr3), StateRule::Plain, vmcs(Field::GuestCr3), VMCB(cr3)},
    {Group::ControlRegisters, PAGE(cr4), StateRule::Cr4, vmcs(Field::GuestCr4), VMCB(cr4)},
    {Group::ControlRegisters, PAGE(xcr0), StateRule::Xcr0, {}, {}},

    {Group::DebugRegisters, PAGE(dr0), StateRule::Plain, resident(0), resident(0)},
    {Group::DebugRegisters, PAGE(dr1), StateRule::Plain, resident(8), resident(8)},
    {Group::DebugRegisters, PAGE(dr2), StateRule::Plain, resident(16), resident(16)},
    {Group::DebugRegisters, PAGE(dr3), StateRule::Plain, resident(24), resident(24)},
    {Group::DebugRegisters, PAGE(dr6), StateRule::DebugStatus, resident(offsetof(ResidentRegisters, debug_status)),
     VMCB(dr6)},
    {Group::DebugRegisters, PAGE(dr7), StateRule::DebugControl, vmcs(Field::GuestDr7), VMCB(dr7)},

    {Group::SystemCallMsrs, PAGE(star), StateRule::Plain, resident(offsetof(ResidentRegisters, star)), VMCB(star)},
    {Group::SystemCallMsrs, PAGE(lstar), StateRule::Canonical, resident(offsetof(ResidentRegisters, lstar)), VMCB(lstar)},
    {Group::SystemCallMsrs, PAGE(cstar), StateRule::Canonical, hardware(offsetof(VcpuHardware, cstar)), VMCB(cstar)},
    {Group::SystemCallMsrs, PAGE(sfmask), StateRule::Limited32, resident(offsetof(ResidentRegisters, sfmask)),
     VMCB(sfmask)},
    {Group::SystemCallMsrs, PAGE(kernel_gs_base), StateRule::Canonical,
     resident(offsetof(ResidentRegisters, kernel_gs_base)), VMCB(kernel_gs_base)},
    {Group::SystemCallMsrs, PAGE(sysenter_cs), StateRule::Limited32, vmcs(Field::GuestSysenterCs), VMCB(sysenter_cs)},
    {Group::SystemCallMsrs, PAGE(sysenter_esp), StateRule::Canonical, vmcs(Field::GuestSysenterEsp), VMCB(sysenter_esp)},
    {Group::SystemCallMsrs, PAGE(sysenter_eip), StateRule::Canonical, vmcs(Field::GuestSysenterEip), VMCB(sysenter_eip)},
    {Group::SystemCallMsrs, PAGE(tsc_aux), StateRule::Limited32, resident(offsetof(ResidentRegisters, tsc_aux)),
     resident(offsetof(ResidentRegisters, tsc_aux))},

    {Group::PageAttributes, PAGE(pat), StateRule::PageAttributes, vmcs(Field::GuestPat), VMCB(pat)},
    {Group::TimeStampCounter, PAGE(tsc_offset), StateRule::Plain, hardware(offsetof(VcpuHardware, tsc_offset)),
     hardware(offsetof(VcpuHardware, tsc_offset))},
    {Group::Interruptibility, PAGE(interruptibility), StateRule::Interruptibility, vmcs(Field::GuestInterruptibility),
     VMCB(interrupt_shadow)},

    {Group::ExitInformation, PAGE(exit_linear_address), StateRule::ReadOnly, vmcs(Field::GuestLinearAddress), {}},
    {Group::ExitInformation, PAGE(exit_physical_address), StateRule::ReadOnly, vmcs(Field::GuestPhysicalAddress),
     VMCB(exit_info_2)},
    {Group::ExitInformation, PAGE(exit_raw_reason), StateRule::ReadOnly, vmcs(Field::ExitReason), VMCB(exit_code)},
    {Group::ExitInformation, PAGE(exit_qualification), StateRule::ReadOnly, vmcs(Field::Qualification),
     VMCB(exit_info_1)},
    {Group::ExitInformation, PAGE(interrupted_event), StateRule::ReadOnly, hardware(offsetof(VcpuHardware, interrupted)),
     hardware(offsetof(VcpuHardware, interrupted))},
};

#undef PAGE
#undef VMCB
#undef GENERAL
#undef SEGMENT
#undef TABLE

}  // namespace state_table

/// The value as it may go to hardware; nothing if it can never be right. CR0, CR4 and XCR0 depend on the CPU: those the
/// back-end and the FPU code judge.
constexpr std::optional<uint64_t> admissible(StateRule rule, uint64_t value) {
    switch (rule) {
        case StateRule::Limited32:
            return value & UINT32_MAX;
        case StateRule::Canonical:
            if (static_cast<uint64_t>(static_cast<int64_t>(value << 16) >> 16) != value) return std::nullopt;
            return value;
        case StateRule::Rflags: {
            constexpr uint64_t settable = 0x3f7fd5;
            return (value & settable) | x86::Rflags::AlwaysOne::mask;
        }
        case StateRule::Efer: {
            constexpr uint64_t known = x86::Efer::SystemCallEnable::mask | x86::Efer::LongModeEnable::mask |
                                       x86::Efer::LongModeActive::mask | x86::Efer::NoExecuteEnable::mask;
            if ((value & ~known) != 0) return std::nullopt;
            return value;
        }
        case StateRule::DebugStatus: {
            constexpr uint64_t settable = 0xe00f, ones = 0xffff0ff0;
            return (value & settable) | ones;
        }
        case StateRule::DebugControl: {
            constexpr uint64_t settable = 0xffff2bff, one = 0x400;
            return (value & settable) | one;
        }
        case StateRule::PageAttributes:
            for (unsigned index = 0; index < 8; ++index) {
                const unsigned type = value >> index * 8 & 0xff;
                if (type > 7 || type == 2 || type == 3) return std::nullopt;
            }
            return value;
        case StateRule::SegmentAccess: {
            constexpr uint64_t defined = 0x1f0ff;
            return value & defined;
        }
        case StateRule::Interruptibility: {
            constexpr uint64_t defined = 0xb;
            return value & defined;
        }
        default:
            return value;
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
constexpr uint16_t vmcb_attributes(uint64_t access) {
    constexpr uint64_t unusable = 1 << 16;
    if ((access & unusable) != 0) return 0;
    return static_cast<uint16_t>((access & 0xff) | (access >> 4 & 0xf00));
}
constexpr uint64_t access_rights(uint16_t attributes) {
    constexpr uint16_t present = 1 << 7;
    constexpr uint64_t unusable = 1 << 16;
    return (attributes & 0xffu) | (attributes & 0xf00u) << 4 | ((attributes & present) != 0 ? 0 : unusable);
}

}  // namespace bulkhead::kernel
