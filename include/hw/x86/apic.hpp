// SPDX-License-Identifier: Apache-2.0
// Local APIC and I/O APIC registers. Intel SDM vol. 3A, chapter 11; 82093AA data sheet. Register numbers are those of
// the x2APIC MSRs (800h + number); in the xAPIC page a register lies at number * 16.
#pragma once

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

// clang-format off
enum class ApicRegister : uint8_t {
    Id = 0x02, TaskPriority = 0x08, EndOfInterrupt = 0x0b, SpuriousVector = 0x0f, InterruptCommand = 0x30,
    InterruptCommandHigh = 0x31,  // xAPIC only
    TimerEntry = 0x32,        Lint0Entry = 0x35,        Lint1Entry = 0x36,  ErrorEntry = 0x37,
    TimerInitialCount = 0x38, TimerCurrentCount = 0x39, TimerDivide = 0x3e,
};
// clang-format on

enum class ApicDelivery : uint8_t { Fixed = 0, NonMaskable = 4, Init = 5, Startup = 6, External = 7 };
enum class ApicTimerMode : uint8_t { OneShot = 0, Periodic = 1, TscDeadline = 2 };
enum class ApicShorthand : uint8_t { None = 0, Self = 1, AllWithSelf = 2, AllOthers = 3 };

struct ApicSpuriousVector {
    using Vector = BitField<0, 8>;
    using Enable = Bit<8>;
};

struct ApicLocalEntry {
    using Vector = BitField<0, 8>;
    using Delivery = BitField<8, 3, ApicDelivery>;
    using Masked = Bit<16>;
    using TimerMode = BitField<17, 2, ApicTimerMode>;
};

struct ApicInterruptCommand {
    using Vector = BitField<0, 8>;
    using Delivery = BitField<8, 3, ApicDelivery>;
    using Pending = Bit<12>;  // xAPIC only
    using Assert = Bit<14>;
    using Shorthand = BitField<18, 2, ApicShorthand>;
    using Destination = BitField<32, 32>;  // x2APIC
    using DestinationXApic = BitField<56, 8>;
};

/// Divide by one.
inline constexpr uint32_t apic_timer_divide_by_1 = 0b1011;

struct ApicId {
    using XApic = BitField<24, 8>;
};

/// I/O APIC: an index and a data register in memory.
struct IoApicRegister {
    static constexpr uint64_t index_offset = 0x00;
    static constexpr uint64_t data_offset = 0x10;
    static constexpr uint8_t version = 0x01;
    static constexpr uint8_t redirection_low(uint32_t pin) { return static_cast<uint8_t>(0x10 + 2 * pin); }
    static constexpr uint8_t redirection_high(uint32_t pin) { return static_cast<uint8_t>(0x11 + 2 * pin); }
    using LastPin = BitField<16, 8>;  // of the version register
};

struct IoApicRedirection {
    using Vector = BitField<0, 8>;
    using Delivery = BitField<8, 3, ApicDelivery>;
    using ActiveLow = Bit<13>;
    using Level = Bit<15>;
    using Masked = Bit<16>;
    using Destination = BitField<56, 8>;
};

}  // namespace bulkhead::x86
