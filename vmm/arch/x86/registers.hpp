// SPDX-License-Identifier: Apache-2.0
// The registers of a virtual CPU as the monitor's instruction emulation sees them: a value, filled from the exit and
// the state page by vmm/exit, so that everything below works on the host as well.
#pragma once

#include <array>
#include <cstdint>

#include "base/bit_field.hpp"

namespace bulkhead::vmm {

/// In the order of the instruction encoding.
enum class Gpr : uint8_t { Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15 };
inline constexpr unsigned gpr_count = 16;

/// In the order of the instruction encoding.
enum class Segment : uint8_t { Es, Cs, Ss, Ds, Fs, Gs };
inline constexpr unsigned segment_count = 6;

struct SegmentState {
    uint16_t selector = 0;
    uint16_t access = 0;  ///< descriptor bits 40-47 and 52-55: type, S, DPL, P, then AVL, L, D/B, G from bit 12
    uint32_t limit = 0;
    uint64_t base = 0;

    using LongMode = Bit<13>;
    using DefaultBig = Bit<14>;
    bool long_mode() const { return LongMode::read(access); }
    bool default_big() const { return DefaultBig::read(access); }
};

namespace cr0 {
using ProtectionEnable = Bit<0>;
using WriteProtect = Bit<16>;
using Paging = Bit<31>;
}  // namespace cr0
namespace cr4 {
using PageSizeExtensions = Bit<4>;
using PhysicalAddressExtension = Bit<5>;
using FiveLevelPaging = Bit<12>;
using OsXsave = Bit<18>;
}  // namespace cr4
namespace efer {
using SyscallEnable = Bit<0>;
using LongModeEnable = Bit<8>;
using LongModeActive = Bit<10>;
using NoExecuteEnable = Bit<11>;
}  // namespace efer
namespace rflags {
inline constexpr uint64_t carry = 1u << 0;
inline constexpr uint64_t reserved_one = 1u << 1;
inline constexpr uint64_t parity = 1u << 2;
inline constexpr uint64_t adjust = 1u << 4;
inline constexpr uint64_t zero = 1u << 6;
inline constexpr uint64_t sign = 1u << 7;
inline constexpr uint64_t direction = 1u << 10;
inline constexpr uint64_t overflow = 1u << 11;
inline constexpr uint64_t virtual_8086 = 1u << 17;
inline constexpr uint64_t arithmetic = carry | parity | adjust | zero | sign | overflow;
}  // namespace rflags

/// What decides how a linear address is translated.
struct PagingState {
    uint64_t cr0 = 0;
    uint64_t cr3 = 0;
    uint64_t cr4 = 0;
    uint64_t efer = 0;
};

struct Registers {
    std::array<uint64_t, gpr_count> gpr{};
    uint64_t rip = 0;
    uint64_t rflags = rflags::reserved_one;
    std::array<SegmentState, segment_count> segments{};
    PagingState paging;

    uint64_t& operator[](Gpr index) { return gpr[static_cast<unsigned>(index)]; }
    uint64_t operator[](Gpr index) const { return gpr[static_cast<unsigned>(index)]; }
    SegmentState& operator[](Segment index) { return segments[static_cast<unsigned>(index)]; }
    const SegmentState& operator[](Segment index) const { return segments[static_cast<unsigned>(index)]; }
};

/// How instruction bytes are read.
enum class CodeSize : uint8_t { Bits16, Bits32, Bits64 };

inline CodeSize code_size(const Registers& registers) {
    const SegmentState& code = registers[Segment::Cs];
    if (!cr0::ProtectionEnable::read(registers.paging.cr0)) return CodeSize::Bits16;
    if ((registers.rflags & rflags::virtual_8086) != 0) return CodeSize::Bits16;
    if (efer::LongModeActive::read(registers.paging.efer) && code.long_mode()) return CodeSize::Bits64;
    return code.default_big() ? CodeSize::Bits32 : CodeSize::Bits16;
}

}  // namespace bulkhead::vmm
