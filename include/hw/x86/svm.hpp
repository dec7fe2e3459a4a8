// SPDX-License-Identifier: Apache-2.0
// AMD-V: the virtual-machine control block with its intercepts (AMD APM vol. 2, appendix B), exit codes and exit
// information (appendix C and 15.10, 15.25), and what CPUID says about it (vol. 3, CPUID 8000_000Ah).
#pragma once

#include <cstddef>

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

/// Intercepts of the word at 000h: reads of CR0-15, then writes.
inline constexpr uint32_t svm_intercept_write_cr8 = 1u << 24;

// clang-format off
/// Intercepts of the word at 00Ch.
enum class SvmIntercept1 : uint32_t {
    Interrupt = 1u << 0,        Nmi = 1u << 1,         Smi = 1u << 2,       Init = 1u << 3,
    VirtualInterrupt = 1u << 4, Rdpmc = 1u << 15,      Cpuid = 1u << 18,    Iret = 1u << 20,
    Invd = 1u << 22,            Hlt = 1u << 24,        Invlpga = 1u << 26,  IoProtection = 1u << 27,
    MsrProtection = 1u << 28,   FerrFreeze = 1u << 30, Shutdown = 1u << 31,
};

/// Intercepts of the word at 010h.
enum class SvmIntercept2 : uint32_t {
    Vmrun = 1u << 0,  Vmmcall = 1u << 1,     Vmload = 1u << 2,  Vmsave = 1u << 3,
    Stgi = 1u << 4,   Clgi = 1u << 5,        Skinit = 1u << 6,  Monitor = 1u << 10,
    Mwait = 1u << 11, MwaitArmed = 1u << 12, Xsetbv = 1u << 13,
};
// clang-format on

/// The word at 060h.
struct VirtualInterruptControl {
    using TaskPriority = BitField<0, 8, uint8_t>;  // bits 7:4 of the APIC's TPR
    using Request = Bit<8>;
    using Priority = BitField<16, 4, uint8_t>;
    using IgnoreTaskPriority = Bit<20>;
    using Masking = Bit<24>;
    using Vector = BitField<32, 8, uint8_t>;
};

enum class SvmTlbControl : uint8_t { Nothing = 0, FlushAll = 1 };

/// Clean bits of the word at 0C0h: what the CPU may take from its cache.
struct SvmClean {
    using Intercepts = Bit<0>;
    using AsidField = Bit<2>;
    using Interrupts = Bit<3>;
    using NestedPaging = Bit<4>;
    using ControlRegisters = Bit<5>;
    using DebugRegisters = Bit<6>;
    static constexpr uint32_t all = 0x3ff;
};

struct VmcbSegment {
    uint16_t selector;
    uint16_t attributes;  // bits 7:0 and 15:12 of the VMX access rights
    uint32_t limit;
    uint64_t base;
};

struct Vmcb {
    uint32_t intercept_cr, intercept_dr, intercept_exceptions, intercept_1, intercept_2;
    uint8_t reserved_014[0x40 - 0x14];
    uint64_t io_permission_map, msr_permission_map, tsc_offset;
    uint32_t asid;
    SvmTlbControl tlb_control;
    uint8_t reserved_05d[3];
    uint64_t virtual_interrupt;
    uint64_t interrupt_shadow;  // bit 0
    uint64_t exit_code, exit_info_1, exit_info_2;
    uint64_t exit_event;     // EXITINTINFO
    uint64_t nested_paging;  // bit 0
    uint8_t reserved_098[0xa8 - 0x98];
    uint64_t event_injection, nested_cr3, virtualization_extensions;
    uint32_t clean;
    uint32_t reserved_0c4;
    uint64_t next_rip;
    uint8_t reserved_0d0[0x400 - 0xd0];
    // state-save area
    VmcbSegment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_4a0[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t reserved_4cc;
    uint64_t efer;
    uint8_t reserved_4d8[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_580[0x5d8 - 0x580];
    uint64_t rsp;
    uint8_t reserved_5e0[0x5f8 - 0x5e0];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t pat, debug_control;
    uint8_t reserved_678[0x1000 - 0x678];
};
static_assert(sizeof(Vmcb) == 4096);
static_assert(offsetof(Vmcb, exit_code) == 0x70 && offsetof(Vmcb, clean) == 0xc0 && offsetof(Vmcb, tr) == 0x490);
static_assert(offsetof(Vmcb, efer) == 0x4d0 && offsetof(Vmcb, rip) == 0x578 && offsetof(Vmcb, cr2) == 0x640);

// clang-format off
enum class SvmExit : uint64_t {
    WriteCr8 = 0x18,  Debug = 0x41,  AlignmentCheck = 0x51,   MachineCheck = 0x52,
    Interrupt = 0x60, Nmi = 0x61,    Smi = 0x62,              VirtualInterrupt = 0x64,
    Cpuid = 0x72,     Iret = 0x74,   Hlt = 0x78,              Io = 0x7b,
    Msr = 0x7c,       Shutdown = 0x7f, Vmmcall = 0x81,        Xsetbv = 0x8d,
    NestedPageFault = 0x400, Invalid = ~uint64_t{0},
};
// clang-format on

/// EXITINFO1 of an I/O exit; EXITINFO2 is the RIP behind the instruction.
struct SvmIo {
    using In = Bit<0>;
    using String = Bit<2>;
    using Repeat = Bit<3>;
    using Size = BitField<4, 3, uint8_t>;  // one bit each for 1, 2, 4
    static constexpr uint8_t size_bias = 0;
    using Port = BitField<16, 16, uint16_t>;
};

/// EXITINFO1 of a nested page fault; EXITINFO2 is the guest-physical address.
struct SvmNestedFault {
    using Write = Bit<1>;
    using Execute = Bit<4>;
    using PageWalk = Bit<33>;
};

struct SvmFeatures {
    static constexpr uint32_t leaf = 0x8000000a;
    using AsidCount = BitField<0, 32, uint32_t>;  // EBX
    using NestedPaging = Bit<0>;                  // EDX from here on
    using CleanBits = Bit<5>;
};

/// Of Msr::SvmControl.
using SvmDisabled = Bit<4>;

}  // namespace bulkhead::x86
