// SPDX-License-Identifier: Apache-2.0
// Where boot ends and the system begins.
#pragma once

#include "kernel/platform/boot_information.hpp"

namespace bulkhead::kernel {

/// Makes the root task from the first boot module and runs it, on the bootstrap processor; the other CPUs go to
/// `cpu_idle_forever` (cpu_setup.hpp) at the same time. The default says that there is none and halts.
[[noreturn]] void start_root_task(const BootInformation& information);

}  // namespace bulkhead::kernel
