// SPDX-License-Identifier: Apache-2.0
// What is logged about a component that faulted: fault, registers, and a backtrace by frame pointers in lines
// `#N PROGRAM 0xADDRESS` that `bulkhead symbolize` understands. Main thread only.
#pragma once

#include "servers/init/component.hpp"

namespace bulkhead::init {

/// Logs all of it. The component's domain must still exist; its memory is read, never believed.
void log_fault(const Component& component, const FaultReport& fault);

}  // namespace bulkhead::init
