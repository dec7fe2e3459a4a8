// SPDX-License-Identifier: Apache-2.0
// The benchmarks, one function for each subject that registers its own.
#pragma once

namespace bulkhead::guest {

void register_exits();       ///< instructions that leave the guest
void register_sleep();       ///< HLT and what wakes it, timers
void register_processors();  ///< from one virtual CPU to another
void register_memory();      ///< memory touched for the first time

}  // namespace bulkhead::guest
