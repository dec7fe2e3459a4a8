// SPDX-License-Identifier: Apache-2.0
// The end of the kernel on a bug of ours: stops the other CPUs by NMI, prints what is known, halts. Takes no locks and
// allocates nothing; works from any CPU, on any stack of a CPU block, before and after the UART was given away.
#pragma once

#include "kernel/arch/x86_64/register_frame.hpp"

namespace bulkhead::kernel {

[[noreturn]] void panic(const char* message);
[[noreturn]] void panic_with_frame(const char* message, const RegisterFrame& frame);
/// For the NMI handler: halts this CPU if another one is panicking.
void stop_if_panicking();

}  // namespace bulkhead::kernel
