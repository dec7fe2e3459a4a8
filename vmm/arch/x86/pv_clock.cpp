// SPDX-License-Identifier: Apache-2.0
#include "vmm/arch/x86/pv_clock.hpp"

#include <atomic>
#include <cstddef>

#include "base/bit_field.hpp"
#include "vmm/vm/time.hpp"

namespace bulkhead::vmm {
namespace {

struct SystemTimeMsr {
    using Enable = Bit<0>;
    static constexpr uint64_t address_mask = ~uint64_t{3};
};
constexpr uint8_t flag_stable = 1 << 0;

/// Bumps the version to odd, writes, bumps it to even: the guest reads again while it is odd or changes.
template <typename T>
void publish(const GuestMemory& memory, GuestPhysicalAddress place, T value) {
    const uint32_t version = (memory.read_value<uint32_t>(place).value_or(0) | 1) + 2;
    value.version = version;
    if (!memory.write_value(place, version)) return;
    std::atomic_thread_fence(std::memory_order_release);
    constexpr std::size_t rest = sizeof(uint32_t);
    const auto bytes = std::as_bytes(std::span{&value, 1}).subspan(rest);
    if (!memory.write(place + rest, bytes)) return;
    std::atomic_thread_fence(std::memory_order_release);
    (void)memory.write_value(place, version + 1);
}

}  // namespace

PvClockScale pv_clock_scale(uint64_t tsc_hz) {
    PvClockScale scale;
    uint64_t target = ns_per_second;
    uint64_t base = tsc_hz;
    while (base > target * 2 || base > UINT32_MAX) {
        base >>= 1;
        --scale.shift;
    }
    while (base <= target) {
        if (base > UINT32_MAX / 2) {
            target >>= 1;
        } else {
            base <<= 1;
        }
        ++scale.shift;
    }
    scale.multiplier = static_cast<uint32_t>((target << 32) / base);
    return scale;
}

Result<void, PvClock::Fault> PvClock::write_system_time(uint64_t value, uint64_t tsc_offset) {
    if (SystemTimeMsr::Enable::read(value)) {
        const GuestPhysicalAddress place{value & SystemTimeMsr::address_mask};
        if (!memory_.contains(place, sizeof(PvClockTime))) return Fault::GeneralProtection;
    }
    state_.change().system_time_msr = value;
    update(tsc_offset);
    return {};
}

void PvClock::update(uint64_t tsc_offset) {
    const uint64_t value = state_->system_time_msr;
    if (!SystemTimeMsr::Enable::read(value)) return;
    const PvClockScale scale = pv_clock_scale(time_.tsc_hz());
    publish(memory_, GuestPhysicalAddress{value & SystemTimeMsr::address_mask},
            PvClockTime{.version = 0,
                        .reserved0 = 0,
                        .tsc_timestamp = base_.start_tsc + tsc_offset,
                        .system_time_ns = 0,
                        .tsc_to_system_multiplier = scale.multiplier,
                        .tsc_shift = scale.shift,
                        .flags = flag_stable,
                        .reserved1 = {}});
}

Result<void, PvClock::Fault> PvClock::write_wall_clock(uint64_t value) {
    const GuestPhysicalAddress place{value};
    if (!place.aligned(sizeof(uint32_t)) || !memory_.contains(place, sizeof(PvWallClock))) return Fault::GeneralProtection;
    state_.change().wall_clock_msr = value;
    // Wall clock at system time zero.
    publish(memory_, place,
            PvWallClock{.version = 0,
                        .seconds = static_cast<uint32_t>(base_.start_wall_ns / ns_per_second),
                        .nanoseconds = static_cast<uint32_t>(base_.start_wall_ns % ns_per_second)});
    return {};
}

}  // namespace bulkhead::vmm
