// SPDX-License-Identifier: Apache-2.0
// Registers of a PC's real-time clock (MC146818 and successors), reached by an index port and a data port. The century
// is not the chip's: PCs keep it in the memory behind the clock, and ACPI's FADT says at which index.
#pragma once

#include <cstdint>

#include "base/bit_field.hpp"

namespace bulkhead::x86::rtc {

inline constexpr uint16_t index_port = 0x70;
inline constexpr uint16_t data_port = 0x71;
inline constexpr uint16_t port_count = 2;
inline constexpr uint8_t index_mask = 0x7f;  ///< bit 7 of the index port is the NMI mask

enum Register : uint8_t {
    Second = 0,
    Minute = 2,
    Hour = 4,
    Weekday = 6,
    Day = 7,
    Month = 8,
    Year = 9,
    StatusA = 10,
    StatusB = 11,
    StatusC = 12,
    StatusD = 13,
    Century = 50,
};

struct StatusAField {
    using UpdateInProgress = Bit<7>;
};
struct StatusBField {
    using Hours24 = Bit<1>;
    using Binary = Bit<2>;
};
struct StatusDField {
    using Valid = Bit<7>;
};
/// In 12-hour format, of the hour.
struct HourField {
    using Afternoon = Bit<7>;
};

}  // namespace bulkhead::x86::rtc
