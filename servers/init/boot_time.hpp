// SPDX-License-Identifier: Apache-2.0
// The time of day at which the machine's time line began: what every component is told at its start.
#pragma once

#include <cstdint>

namespace bulkhead::init {

/// Nanoseconds from 1970-01-01 UTC to the moment the TSC was zero, read from the machine's clock. Without a usable
/// clock, which the log then says, it is the start of 2026. Called once, before the ports are given away.
uint64_t read_boot_time_ns();

}  // namespace bulkhead::init
