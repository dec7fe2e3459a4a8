// SPDX-License-Identifier: Apache-2.0
// The end of the machine.
#pragma once

#include <cstdint>

namespace bulkhead::init {

/// Ends the run with a status, which only emulators hand on; hardware is switched off. Any thread.
[[noreturn]] void halt_machine(uint8_t status);

}  // namespace bulkhead::init
