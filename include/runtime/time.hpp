// SPDX-License-Identifier: Apache-2.0
// Time: the kernel speaks absolute TSC ticks, programs speak nanoseconds since the TSC was zero.
#pragma once

#include <cstdint>

#include "abi/layout.hpp"

namespace bulkhead::runtime {

/// value * numerator / denominator with a 128-bit product; UINT64_MAX if the result does not fit.
inline uint64_t multiply_divide(uint64_t value, uint64_t numerator, uint64_t denominator) {
    uint64_t low = value;
    uint64_t high = 0;
    asm("mulq %[numerator]" : "+a"(low), "=d"(high) : [numerator] "r"(numerator) : "cc");
    if (high >= denominator) return UINT64_MAX;
    asm("divq %[denominator]" : "+a"(low), "+d"(high) : [denominator] "r"(denominator) : "cc");
    return low;
}

inline constexpr uint64_t ns_per_second = 1'000'000'000;
inline constexpr uint64_t ns_per_ms = 1'000'000;
inline constexpr uint64_t ns_per_us = 1'000;

/// The TSC, in ticks.
inline uint64_t now_ticks() {
    uint32_t low = 0;
    uint32_t high = 0;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return uint64_t{high} << 32 | low;
}

uint64_t ticks_to_ns(uint64_t ticks);
uint64_t ns_to_ticks(uint64_t ns);

/// Nanoseconds on the time line of deadlines.
inline uint64_t now_ns() { return ticks_to_ns(now_ticks()); }

/// Deadline, in ticks, that passes `ns` from now.
inline uint64_t deadline_in(uint64_t ns) { return now_ticks() + ns_to_ticks(ns); }

/// Lets the calling thread sleep until a deadline in ticks.
void sleep_until(uint64_t deadline_ticks);
inline void sleep_for(uint64_t ns) { sleep_until(deadline_in(ns)); }

}  // namespace bulkhead::runtime
