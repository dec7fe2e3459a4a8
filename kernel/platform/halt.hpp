// SPDX-License-Identifier: Apache-2.0
// The end of a run: tells the log, then the emulators we run on. Hardware is switched off by the root task, which reads
// ACPI's tables for it; after a panic it stays on, so that its last words can be read.
#pragma once

namespace bulkhead::kernel {

/// Prints "bulkhead: system halted (status N)" and has an emulator end the machine; QEMU's exit status is 2N + 1.
/// Returns where there is none. Any CPU, no locks.
void end_run(unsigned status);

/// The same; this CPU stops.
[[noreturn]] void system_halt(unsigned status);

/// For boot: one sentence that says why this machine cannot be used, then halt with status 1.
[[noreturn]] void refuse_machine(const char* sentence);

}  // namespace bulkhead::kernel
