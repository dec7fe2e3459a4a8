// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/legacy/rtc.hpp"

#include "base/calendar.hpp"

namespace bulkhead::vmm {
namespace {

using namespace x86::rtc;

constexpr uint8_t status_a = 0x26;  // 32768 Hz, the usual rate, no update in progress
constexpr uint8_t format_mask = StatusBField::Hours24::mask | StatusBField::Binary::mask;
constexpr uint64_t ns_per_s = 1'000'000'000;

}  // namespace

void Rtc::reset() {
    RtcState& state = state_.change();
    state = {};
    state.format = StatusBField::Hours24::mask;
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
    if (state.index == StatusB) state.format = byte & format_mask;
    state.memory[state.index] = byte;  // shows through only where there is no function
}

uint8_t Rtc::read_register(uint8_t index) const {
    const uint64_t seconds = time_.wall_clock_ns() / ns_per_s + static_cast<uint64_t>(state_->offset_s);
    const CalendarTime time = calendar_time(seconds);
    const auto format = [&](unsigned value) {
        if (StatusBField::Binary::read(state_->format)) return static_cast<uint8_t>(value);
        return static_cast<uint8_t>(value / 10 * 16 + value % 10);
    };
    switch (index) {
        case Second: return format(time.second);
        case Minute: return format(time.minute);
        case Hour:
            if (StatusBField::Hours24::read(state_->format)) return format(time.hour);
            return static_cast<uint8_t>(format(time.hour % 12 == 0 ? 12 : time.hour % 12) |
                                        HourField::Afternoon::make(time.hour >= 12));
        case Weekday: return format(time.weekday);
        case Day: return format(time.day);
        case Month: return format(time.month);
        case Year: return format(time.year % 100);
        case Century: return format(time.year / 100);
        case StatusA: return status_a;
        case StatusB: return state_->format;
        case StatusC: return 0;
        case StatusD: return StatusDField::Valid::mask;
        default: return state_->memory[index & index_mask];
    }
}

}  // namespace bulkhead::vmm
