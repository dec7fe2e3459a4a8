// SPDX-License-Identifier: Apache-2.0
#include "runtime/address_space.hpp"

#include "base/address.hpp"

namespace bulkhead::runtime {

void RangeMap::initialize(Range free) {
    free_.clear();
    static_cast<void>(free_.push_back(free));
}

void RangeMap::insert(size_t index, Range range) {
    if (!free_.push_back(range)) return;  // lost, as the header says
    for (size_t i = free_.size() - 1; i > index; --i) free_[i] = free_[i - 1];
    free_[index] = range;
}

void RangeMap::remove(size_t index) {
    for (size_t i = index; i + 1 < free_.size(); ++i) free_[i] = free_[i + 1];
    free_.pop_back();
}

abi::Result<uint64_t> RangeMap::allocate(uint64_t size, uint64_t alignment) {
    if (size == 0 || !is_power_of_two(alignment)) return abi::Status::BadArgument;
    for (size_t i = 0; i < free_.size(); ++i) {
        const Range range = free_[i];
        const uint64_t start = align_up(range.start(), alignment);
        if (start < range.start() || start - range.start() > range.size()) continue;
        const uint64_t available = range.end() - start;
        if (available < size) continue;
        remove(i);
        const uint64_t before = start - range.start();
        const uint64_t after = available - size;
        if (after != 0) insert(i, *Range::create(start + size, after));
        if (before != 0) insert(i, *Range::create(range.start(), before));
        return start;
    }
    return abi::Status::OutOfMemory;
}

void RangeMap::release(uint64_t start, uint64_t size) {
    size_t index = 0;
    while (index < free_.size() && free_[index].start() < start) ++index;
    if (index > 0 && free_[index - 1].end() == start) {
        start = free_[index - 1].start();
        size += free_[index - 1].size();
        remove(--index);
    }
    if (index < free_.size() && start + size == free_[index].start()) {
        size += free_[index].size();
        remove(index);
    }
    insert(index, *Range::create(start, size));
}

}  // namespace bulkhead::runtime
