// SPDX-License-Identifier: Apache-2.0
// The virtual-machine control block of AMD-V: control area, state-save area, intercepts. AMD APM vol. 2, appendix B.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

/// Intercepts of the word at 000h: reads of CR0-15, then writes.
inline constexpr uint32_t svm_intercept_write_cr8 = 1u << 24;

/// Intercepts of the word at 00Ch.
enum class SvmIntercept1 : uint32_t {
    Interrupt = 1u << 0,
    Nmi = 1u << 1,
    Smi = 1u << 2,
    Init = 1u << 3,
    VirtualInterrupt = 1u << 4,
    Rdpmc = 1u << 15,
    Cpuid = 1u << 18,
    Iret = 1u << 20,
    Invd = 1u << 22,
    Hlt = 1u << 24,
    Invlpga = 1u << 26,
    IoProtection = 1u << 27,
    MsrProtection = 1u << 28,
    FerrFreeze = 1u << 30,
    Shutdown = 1u << 31,
};

/// Intercepts of the word at 010h.
enum class SvmIntercept2 : uint32_t {
    Vmrun = 1u << 0,
    Vmmcall = 1u << 1,
    Vmload = 1u << 2,
    Vmsave = 1u << 3,
    Stgi = 1u << 4,
    Clgi = 1u << 5,
    Skinit = 1u << 6,
    Monitor = 1u << 10,
    Mwait = 1u << 11,
    MwaitArmed = 1u << 12,
    Xsetbv = 1u << 13,
};

/// The word at 060h.
struct VirtualInterruptControl {
    using TaskPriority = BitField<0, 8, uint8_t>;  // bits 7:4 of the APIC's TPR
    using Request = Bit<8>;
    using Priority = BitField<16, 4, uint8_t>;
    using IgnoreTaskPriority = Bit<20>;
    using Masking = Bit<24>;
    using Vector = BitField<32, 8, uint8_t>;
};

enum class SvmTlbControl : uint8_t { Nothing = 0, FlushAll = 1, FlushAsid = 3 };

/// Clean bits of the word at 0C0h: what the CPU may take from its cache.
struct SvmClean {
    using Intercepts = Bit<0>;
    using IoMsrMaps = Bit<1>;
    using AsidField = Bit<2>;
    using Interrupts = Bit<3>;
    using NestedPaging = Bit<4>;
    using ControlRegisters = Bit<5>;
    using DebugRegisters = Bit<6>;
    using DescriptorTables = Bit<7>;
    using Segments = Bit<8>;
    using Cr2 = Bit<9>;
    static constexpr uint32_t all = 0x3ff;
};

struct VmcbSegment {
    uint16_t selector;
    uint16_t attributes;  // bits 7:0 and 15:12 of the VMX access rights
    uint32_t limit;
    uint64_t base;
};

struct Vmcb {
    uint32_t intercept_cr;
    uint32_t intercept_dr;
    uint32_t intercept_exceptions;
    uint32_t intercept_1;
    uint32_t intercept_2;
    uint8_t reserved_014[0x40 - 0x14];
    uint64_t io_permission_map;
    uint64_t msr_permission_map;
    uint64_t tsc_offset;
    uint32_t asid;
    SvmTlbControl tlb_control;
    uint8_t reserved_05d[3];
    uint64_t virtual_interrupt;
    uint64_t interrupt_shadow;  // bit 0
    uint64_t exit_code;
    uint64_t exit_info_1;
    uint64_t exit_info_2;
    uint64_t exit_event;  // EXITINTINFO
    uint64_t nested_paging;  // bit 0
    uint8_t reserved_098[0xa8 - 0x98];
    uint64_t event_injection;
    uint64_t nested_cr3;
    uint64_t virtualization_extensions;
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
    uint64_t pat;
    uint64_t debug_control;
    uint8_t reserved_678[0x1000 - 0x678];
};
static_assert(sizeof(Vmcb) == 4096);
static_assert(offsetof(Vmcb, io_permission_map) == 0x40 && offsetof(Vmcb, exit_code) == 0x70);
static_assert(offsetof(Vmcb, event_injection) == 0xa8 && offsetof(Vmcb, clean) == 0xc0);
static_assert(offsetof(Vmcb, tr) == 0x490 && offsetof(Vmcb, cpl) == 0x4cb && offsetof(Vmcb, efer) == 0x4d0);
static_assert(offsetof(Vmcb, rip) == 0x578 && offsetof(Vmcb, rax) == 0x5f8 && offsetof(Vmcb, cr2) == 0x640);
static_assert(offsetof(Vmcb, pat) == 0x668);

}  // namespace bulkhead::x86
