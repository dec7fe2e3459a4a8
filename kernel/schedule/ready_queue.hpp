// SPDX-License-Identifier: Apache-2.0
// The scheduling contexts of a CPU that wait for their turn: a ring for each priority, a bitmap of the rings that may
// have some, and a word that says which words of the bitmap have bits. The bit of a ring that became empty stays until
// somebody looks for the most urgent one: mostly the ring is in use again before. Each such bit is looked at once.
//
// Concurrency: as the scheduler.
#pragma once

#include <cstdint>

#include "abi/layout.hpp"
#include "kernel/object/scheduling_context.hpp"

namespace bulkhead::kernel {

class ReadyQueue {
  public:
    /// Whose turn is next, null if nobody is ready.
    SchedulingContext* next() {
        while (words_in_use_ != 0) {
            const int word = 31 ^ __builtin_clz(words_in_use_);
            const int bit = 63 ^ __builtin_clzll(words_[word]);
            if (SchedulingContext* first = rings_[word * 64 + bit].first(); first != nullptr) return first;
            words_[word] &= ~(uint64_t{1} << bit);
            if (words_[word] == 0) words_in_use_ &= ~(1u << word);
        }
        return nullptr;
    }
    bool any(uint8_t priority) const { return rings_[priority].first() != nullptr; }
    void push(SchedulingContext& context, bool front) {
        const uint8_t priority = context.priority_;
        rings_[priority].push(context, front);
        uint64_t& word = words_[priority / 64];
        if ((word >> priority % 64 & 1) != 0) [[likely]] return;
        word |= uint64_t{1} << priority % 64;
        words_in_use_ |= 1u << priority / 64;
    }
    void remove(SchedulingContext& context) { rings_[context.priority_].remove(context); }

  private:
    friend struct AsmOffsets;

    uint32_t words_in_use_ = 0;
    uint64_t words_[abi::priorities / 64] = {};
    SchedulingRing rings_[abi::priorities];
};

}  // namespace bulkhead::kernel
