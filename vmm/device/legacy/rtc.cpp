// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/legacy/rtc.hpp"

namespace bulkhead::vmm {
namespace {

enum RegisterIndex : uint8_t {
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

constexpr uint8_t status_a = 0x26;  // 32768 Hz, the usual rate, no update in progress
constexpr uint8_t status_b_24_hours = 1 << 1;
constexpr uint8_t status_b_binary = 1 << 2;
constexpr uint8_t status_d_valid = 1 << 7;
constexpr uint8_t afternoon = 1 << 7;
constexpr uint8_t index_mask = 0x7f;  // bit 7 of the index port is the NMI mask
constexpr uint64_t ns_per_s = 1'000'000'000;

}  // namespace

CalendarTime calendar_time(uint64_t seconds_since_1970) {
    const uint64_t days = seconds_since_1970 / 86400;
    const uint64_t in_day = seconds_since_1970 % 86400;
    // Days since 0000-03-01, in eras of 400 years (the usual algorithm for the proleptic Gregorian calendar).
    const uint64_t shifted = days + 719468;
    const uint64_t era = shifted / 146097;
    const uint64_t day_of_era = shifted % 146097;
    const uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const uint64_t march_month = (5 * day_of_year + 2) / 153;
    CalendarTime time{};
    time.day = static_cast<unsigned>(day_of_year - (153 * march_month + 2) / 5 + 1);
    time.month = static_cast<unsigned>(march_month < 10 ? march_month + 3 : march_month - 9);
    time.year = static_cast<unsigned>(year_of_era + era * 400 + (time.month <= 2 ? 1 : 0));
    time.weekday = static_cast<unsigned>((days + 4) % 7 + 1);
    time.hour = static_cast<unsigned>(in_day / 3600);
    time.minute = static_cast<unsigned>(in_day / 60 % 60);
    time.second = static_cast<unsigned>(in_day % 60);
    return time;
}

void Rtc::reset() {
    RtcState& state = state_.change();
    state = {};
    state.format = status_b_24_hours;
}

uint32_t Rtc::read_port(uint16_t offset, unsigned size_bytes) {
    if (size_bytes != 1) return static_cast<uint32_t>(all_ones(size_bytes));
    return offset == 0 ? 0xff : read_register(state_->index);
}

void Rtc::write_port(uint16_t offset, unsigned size_bytes, uint32_t value) {
    if (size_bytes != 1) return;
    RtcState& state = state_.change();
    const uint8_t byte = static_cast<uint8_t>(value);
    if (offset == 0) {
        state.index = byte & index_mask;
        return;
    }
    if (state.index == StatusB) state.format = byte & (status_b_24_hours | status_b_binary);
    state.memory[state.index] = byte;  // shows through only where there is no function
}

uint8_t Rtc::read_register(uint8_t index) const {
    const uint64_t seconds = time_.wall_clock_ns() / ns_per_s + static_cast<uint64_t>(state_->offset_s);
    const CalendarTime time = calendar_time(seconds);
    const auto format = [&](unsigned value) {
        if ((state_->format & status_b_binary) != 0) return static_cast<uint8_t>(value);
        return static_cast<uint8_t>(value / 10 * 16 + value % 10);
    };
    switch (index) {
        case Second: return format(time.second);
        case Minute: return format(time.minute);
        case Hour:
            if ((state_->format & status_b_24_hours) != 0) return format(time.hour);
            return static_cast<uint8_t>(format(time.hour % 12 == 0 ? 12 : time.hour % 12) |
                                        (time.hour >= 12 ? afternoon : 0));
        case Weekday: return format(time.weekday);
        case Day: return format(time.day);
        case Month: return format(time.month);
        case Year: return format(time.year % 100);
        case Century: return format(time.year / 100);
        case StatusA: return status_a;
        case StatusB: return state_->format;
        case StatusC: return 0;
        case StatusD: return status_d_valid;
        default: return state_->memory[index & index_mask];
    }
}

}  // namespace bulkhead::vmm
