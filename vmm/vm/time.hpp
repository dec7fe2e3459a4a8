// SPDX-License-Identifier: Apache-2.0
// Conversions between nanoseconds and TSC ticks, exact for any duration a machine can be up, without 128-bit division.
#pragma once

#include <cstdint>

namespace bulkhead::vmm {

inline constexpr uint64_t ns_per_second = 1'000'000'000;

/// For tsc_hz below 2^34.
constexpr uint64_t ticks_of_ns(uint64_t duration_ns, uint64_t tsc_hz) {
    return duration_ns / ns_per_second * tsc_hz + duration_ns % ns_per_second * tsc_hz / ns_per_second;
}
constexpr uint64_t ns_of_ticks(uint64_t ticks, uint64_t tsc_hz) {
    return ticks / tsc_hz * ns_per_second + ticks % tsc_hz * ns_per_second / tsc_hz;
}

}  // namespace bulkhead::vmm
