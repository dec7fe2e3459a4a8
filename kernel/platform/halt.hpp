// SPDX-License-Identifier: Apache-2.0
// The end of a run: tells the log, then the machine, in every way the platforms we run on understand.
#pragma once

#include <cstdint>

namespace bulkhead::kernel {

/// How ACPI switches the machine off; all zero if unknown. Set once during boot.
struct PowerOff {
    uint16_t control_a = 0;  // ports
    uint16_t control_b = 0;
    uint8_t type_a = 0;
    uint8_t type_b = 0;
};
void set_power_off(const PowerOff& power_off);

/// Prints "bulkhead: system halted (status N)" and ends the machine; QEMU's exit status is 2N + 1. Any CPU, no locks.
[[noreturn]] void system_halt(unsigned status);

/// For boot: one sentence that says why this machine cannot be used, then halt with status 1.
[[noreturn]] void refuse_machine(const char* sentence);

}  // namespace bulkhead::kernel
