// SPDX-License-Identifier: Apache-2.0
// Exit codes and exit information of AMD-V, and what CPUID says about it. AMD APM vol. 2, appendix C and 15.10, 15.25;
// vol. 3, CPUID 8000_000Ah.
#pragma once

#include <cstdint>

#include "base/bit_field.hpp"
#include "hw/x86/msr.hpp"

namespace bulkhead::x86 {

enum class SvmExit : uint64_t {
    WriteCr8 = 0x18,
    Exception0 = 0x40,  // + vector
    Interrupt = 0x60,
    Nmi = 0x61,
    Smi = 0x62,
    Init = 0x63,
    VirtualInterrupt = 0x64,
    Rdpmc = 0x6f,
    Cpuid = 0x72,
    Iret = 0x74,
    Hlt = 0x78,
    Io = 0x7b,
    Msr = 0x7c,
    Shutdown = 0x7f,
    Vmmcall = 0x81,
    Xsetbv = 0x8d,
    NestedPageFault = 0x400,
    Invalid = ~uint64_t{0},
};

/// EXITINFO1 of an I/O exit; EXITINFO2 is the RIP behind the instruction.
struct SvmIo {
    using In = Bit<0>;
    using String = Bit<2>;
    using Repeat = Bit<3>;
    using SizeBytes = BitField<4, 3, uint8_t>;  // one bit each for 1, 2, 4
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
    using NextRip = Bit<3>;
    using CleanBits = Bit<5>;
};

inline constexpr Msr svm_vm_control = static_cast<Msr>(0xc0010114);
inline constexpr Msr svm_host_save = static_cast<Msr>(0xc0010117);

/// svm_vm_control.
struct SvmVmControl {
    using Disabled = Bit<4>;
};

}  // namespace bulkhead::x86
