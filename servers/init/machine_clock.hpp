// SPDX-License-Identifier: Apache-2.0
// Reads the machine's real-time clock: once, before anything is started, so that no component ever needs its ports.
// The registers are reached through a seam, for the unit tests. No state.
#pragma once

#include <optional>

#include "base/calendar.hpp"
#include "hw/x86/real_time_clock.hpp"

namespace bulkhead::init {

template <typename Registers>
class MachineClock {
  public:
    explicit MachineClock(Registers& registers) : registers_{registers} {}

    /// Seconds since 1970, or nothing if there is no clock, or none whose time makes sense.
    std::optional<uint64_t> seconds() {
        for (unsigned attempt = 0; attempt < attempts; ++attempt) {
            if (!wait_for_quiet()) return std::nullopt;
            const Reading first = read();
            // An update in between makes the two differ.
            if (wait_for_quiet() && read() == first) return decode(first);
        }
        return std::nullopt;
    }

  private:
    using Field = x86::rtc::Register;
    static constexpr unsigned attempts = 16;
    /// An update takes 2 ms, a port access about 1 us; a port without a chip reads as all ones forever.
    static constexpr unsigned patience = 20'000;

    struct Reading {
        uint8_t second, minute, hour, day, month, year, century, format;
        bool operator==(const Reading&) const = default;
    };

    bool wait_for_quiet() {
        for (unsigned look = 0; look < patience; ++look) {
            if (!x86::rtc::StatusAField::UpdateInProgress::read(registers_.read(Field::StatusA))) return true;
        }
        return false;
    }

    Reading read() {
        return {.second = registers_.read(Field::Second),
                .minute = registers_.read(Field::Minute),
                .hour = registers_.read(Field::Hour),
                .day = registers_.read(Field::Day),
                .month = registers_.read(Field::Month),
                .year = registers_.read(Field::Year),
                .century = registers_.read(Field::Century),
                .format = registers_.read(Field::StatusB)};
    }

    static std::optional<uint64_t> decode(const Reading& reading) {
        using x86::rtc::HourField;
        const bool binary = x86::rtc::StatusBField::Binary::read(reading.format);
        const auto value = [binary](uint8_t raw) -> unsigned { return binary ? raw : (raw >> 4) * 10u + (raw & 15u); };
        unsigned hour = value(reading.hour);
        if (!x86::rtc::StatusBField::Hours24::read(reading.format)) {
            const auto twelve = static_cast<uint8_t>(reading.hour & ~HourField::Afternoon::mask);
            hour = value(twelve) % 12 + (HourField::Afternoon::read(reading.hour) ? 12 : 0);
        }
        // Firmware need not keep the century; what is no century means ours.
        const unsigned century = value(reading.century);
        const CalendarTime time{.year = (century == 19 || century == 20 || century == 21 ? century : 20) * 100 + value(reading.year),
                                .month = value(reading.month),
                                .day = value(reading.day),
                                .weekday = 0,
                                .hour = hour,
                                .minute = value(reading.minute),
                                .second = value(reading.second)};
        if (!sensible(time)) return std::nullopt;
        return seconds_since_1970(time);
    }

    static bool sensible(const CalendarTime& time) {
        const bool date = time.year >= 1970 && time.year < 2200 && time.month >= 1 && time.month <= 12 && time.day >= 1 &&
                          time.day <= 31;
        return date && time.hour < 24 && time.minute < 60 && time.second < 60;
    }

    Registers& registers_;
};

}  // namespace bulkhead::init
