// SPDX-License-Identifier: Apache-2.0
// Segment descriptors, the task-state segment and interrupt gates of long mode.
// Intel SDM vol. 3A, 3.4.5 (segments), 6.14 (gates), 8.7 (TSS).
#pragma once

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

/// An eight-byte code or data descriptor; also the low half of a system descriptor.
struct SegmentDescriptor {
    using LimitLow = BitField<0, 16>;
    using BaseLow = BitField<16, 24>;
    using Executable = Bit<43>;
    using Type = BitField<40, 4>;
    using Privilege = BitField<45, 2>;
    using Present = Bit<47>;
    using LongMode = Bit<53>;
    using DefaultSize32 = Bit<54>;
    using BaseHigh = BitField<56, 8>;
    static constexpr uint64_t flat_data = 0x008f'9300'0000'ffff;  // all of the space; present, accessed, writable

    uint64_t word = 0;

    static constexpr SegmentDescriptor flat(bool code, bool long_mode, unsigned privilege) {
        return {flat_data | Executable::make(code) | Privilege::make(privilege) | LongMode::make(long_mode) |
                DefaultSize32::make(!long_mode)};
    }
    /// Type 9: an available 64-bit TSS. The high half of the descriptor holds bits 63:32 of the base.
    static constexpr SegmentDescriptor task_state(uint64_t base, uint16_t limit) {
        return {LimitLow::make(limit) | BaseLow::make(base) | Type::make(9) | Present::mask |
                BaseHigh::make(base >> 24)};
    }
};
static_assert(SegmentDescriptor::flat(true, true, 0).word == 0x00af9b000000ffff);
static_assert(SegmentDescriptor::flat(false, false, 3).word == 0x00cff3000000ffff);

/// The 64-bit task-state segment: stacks for ring 0 and for interrupts, and where the I/O permission bitmap is.
struct [[gnu::packed]] TaskStateSegment {
    uint32_t reserved_0 = 0;
    uint64_t rsp[3] = {};
    uint64_t reserved_1 = 0;
    uint64_t interrupt_stack[7] = {};  // IST1..IST7
    uint64_t reserved_2 = 0;
    uint16_t reserved_3 = 0;
    uint16_t io_bitmap_offset = 0;
};
static_assert(sizeof(TaskStateSegment) == 104);

struct InterruptGate {
    using OffsetLow = BitField<0, 16>;
    using Selector = BitField<16, 16>;
    using StackIndex = BitField<32, 3>;
    using Type = BitField<40, 4>;
    using Privilege = BitField<45, 2>;
    using Present = Bit<47>;
    using OffsetMiddle = BitField<48, 16>;

    uint64_t low = 0;
    uint64_t high = 0;

    /// Type 14: clears RFLAGS.IF. For INT n of ring 0 only, on the stack that the privilege level has.
    static constexpr InterruptGate create(uint64_t handler, uint16_t selector) {
        return {OffsetLow::make(handler) | Selector::make(selector) | Type::make(14) | Present::mask |
                    OffsetMiddle::make(handler >> 16),
                handler >> 32};
    }
};
static_assert(sizeof(InterruptGate) == 16);

/// Operand of LGDT and LIDT.
struct [[gnu::packed]] DescriptorTablePointer {
    uint16_t limit;
    uint64_t base;
};

// clang-format off
/// Exceptions by vector. SDM vol. 3A, table 6-1.
enum class Exception : uint8_t {
    Debug = 1,         NonMaskable = 2,        Breakpoint = 3, Overflow = 4,
    DoubleFault = 8,   GeneralProtection = 13, PageFault = 14, AlignmentCheck = 17,
    MachineCheck = 18,
};
// clang-format on

}  // namespace bulkhead::x86
