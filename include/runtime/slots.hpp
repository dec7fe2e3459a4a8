// SPDX-License-Identifier: Apache-2.0
// Which slots of a capability space are free: a bitmap. `SlotMap` is the algorithm and not synchronised; the functions
// below are the program's own map, for any thread.
#pragma once

#include <array>
#include <cstdint>

#include "abi/capability.hpp"
#include "abi/status.hpp"

namespace bulkhead::runtime {

class SlotMap {
  public:
    static constexpr uint32_t capacity = 65536;

    /// Slots [first, end) are free.
    void initialize(abi::Selector first, abi::Selector end);
    /// The first of `count` consecutive free slots, which are taken; OutOfMemory if there are none.
    abi::Result<abi::Selector> allocate(uint32_t count = 1);
    void release(abi::Selector first, uint32_t count = 1);
    uint32_t free_count() const { return free_count_; }

  private:
    bool used(abi::Selector slot) const { return (used_[slot / 64] >> (slot % 64) & 1) != 0; }

    std::array<uint64_t, capacity / 64> used_{};
    abi::Selector first_ = 0;
    abi::Selector end_ = 0;
    abi::Selector hint_ = 0;  ///< no free slot below
    uint32_t free_count_ = 0;
};

/// Takes `count` consecutive slots of this program's capability space.
abi::Result<abi::Selector> allocate_slots(uint32_t count = 1);
/// Gives slots back; they must be empty or stale.
void release_slots(abi::Selector first, uint32_t count = 1);

}  // namespace bulkhead::runtime
