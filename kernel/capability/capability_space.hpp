// SPDX-License-Identifier: Apache-2.0
// A domain's capabilities: a physically contiguous array of 64-bit slots. Slots are read without a lock and changed by
// single atomic stores; a slot is claimed by compare-and-exchange from empty, so two CPUs cannot both fill it.
#pragma once

#include <atomic>

#include "abi/capability.hpp"
#include "abi/status.hpp"

namespace bulkhead::kernel {

class CapabilitySpace {
  public:
    static constexpr uint32_t minimum_slots = 64;
    static constexpr uint32_t maximum_slots = 65536;

    /// Takes `slot_count` (a power of two) zeroed words at `slots`, which outlive the space.
    void initialise(std::atomic<uint64_t>* slots, uint32_t slot_count) {
        slots_ = slots;
        slot_count_ = slot_count;
    }

    /// The word in a slot; 0 if it is empty or there is no such slot.
    uint64_t read(abi::Selector selector) const {
        return selector < slot_count_ ? slots_[selector].load(std::memory_order_relaxed) : 0;
    }
    /// Whether `fill` would succeed now.
    abi::Result<void> check_empty(abi::Selector selector) { return fill(selector, 0); }
    /// Puts a word into an empty slot.
    abi::Result<void> fill(abi::Selector selector, uint64_t word) {
        if (selector == abi::null_selector || selector >= slot_count_) return abi::Status::BadArgument;
        uint64_t empty = 0;
        if (!slots_[selector].compare_exchange_strong(empty, word)) return abi::Status::SlotOccupied;
        return {};
    }
    /// Empties a slot.
    abi::Result<void> clear(abi::Selector selector) {
        if (selector == abi::null_selector || selector >= slot_count_) return abi::Status::BadArgument;
        slots_[selector].store(0, std::memory_order_relaxed);
        return {};
    }
    uint32_t slot_count() const { return slot_count_; }
    std::atomic<uint64_t>* slots() const { return slots_; }

  private:
    friend struct AsmOffsets;

    std::atomic<uint64_t>* slots_ = nullptr;
    uint32_t slot_count_ = 0;
};

}  // namespace bulkhead::kernel
