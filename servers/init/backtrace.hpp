// SPDX-License-Identifier: Apache-2.0
// What is logged about a component that faulted, or about init itself: fault, registers, and a backtrace by frame pointers in lines
// `#N PROGRAM 0xADDRESS` that `bulkhead symbolize` understands. Any thread that may stand still for it.
#pragma once

#include "servers/init/component.hpp"

namespace bulkhead::init {

/// Logs all of it. The component's domain must still exist; its memory is read, never believed.
void log_fault(const Component& component, const FaultReport& fault);
/// The same about a thread of init's own, which then stands still.
void log_own_fault(const FaultReport& fault);

}  // namespace bulkhead::init
