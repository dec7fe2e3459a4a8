// SPDX-License-Identifier: Apache-2.0
// Time: the TSC's rate, measured once, and each CPU's one-shot timer. Deadlines are absolute TSC values.
#pragma once

#include "kernel/platform/acpi.hpp"

namespace bulkhead::kernel {

/// Ticks of the TSC per second; constant after boot.
uint64_t tsc_hz();
uint64_t tsc_from_microseconds(uint64_t microseconds);
/// Waits by the TSC.
void delay_microseconds(uint64_t microseconds);

/// Finds the TSC's rate and the APIC timer's; on the bootstrap processor, when its APIC is enabled.
void calibrate_timers(const AcpiInformation& acpi);
/// Gets this CPU's timer ready, stopped.
void timer_enable();
/// Raises Vectors::timer on this CPU when the TSC has reached `tsc`, at once if it has. Where the CPU has no
/// TSC-deadline mode the interrupt may come early: whoever handles it looks at the time and sets the deadline again.
void timer_set_deadline(uint64_t tsc);

}  // namespace bulkhead::kernel
