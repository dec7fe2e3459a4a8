// SPDX-License-Identifier: Apache-2.0
#include "runtime/slots.hpp"

#include <algorithm>

namespace bulkhead::runtime {

void SlotMap::initialize(abi::Selector first, abi::Selector end) {
    first_ = first;
    end_ = std::min(end, capacity);
    hint_ = first_;
    free_count_ = end_ > first_ ? end_ - first_ : 0;
    used_ = {};
}

abi::Result<abi::Selector> SlotMap::allocate(uint32_t count) {
    if (count == 0 || count > free_count_) return abi::Status::OutOfMemory;
    uint32_t run = 0;
    bool below_all_used = true;
    for (abi::Selector slot = hint_; slot < end_; ++slot) {
        if (used(slot)) {
            run = 0;
            continue;
        }
        if (below_all_used) {
            hint_ = slot;
            below_all_used = false;
        }
        if (++run < count) continue;
        const abi::Selector start = slot + 1 - count;
        for (abi::Selector taken = start; taken <= slot; ++taken) used_[taken / 64] |= uint64_t{1} << (taken % 64);
        free_count_ -= count;
        if (start == hint_) hint_ = slot + 1;
        return start;
    }
    return abi::Status::OutOfMemory;
}

void SlotMap::release(abi::Selector first, uint32_t count) {
    for (abi::Selector slot = first; slot - first < count; ++slot) {
        if (slot < first_ || slot >= end_ || !used(slot)) continue;
        used_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
        ++free_count_;
        hint_ = std::min(hint_, slot);
    }
}

}  // namespace bulkhead::runtime
