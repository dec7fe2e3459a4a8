// SPDX-License-Identifier: Apache-2.0
// A bounded set of disjoint ranges of physical memory, for boot: start with what firmware says, subtract what is taken.
// Not synchronised.
#pragma once

#include <algorithm>

#include "base/address.hpp"
#include "base/range.hpp"
#include "base/static_vector.hpp"

namespace bulkhead::kernel {

template <std::size_t Capacity>
class RegionList {
  public:
    const Range* begin() const { return ranges_.begin(); }
    const Range* end() const { return ranges_.end(); }
    std::size_t size() const { return ranges_.size(); }

    /// Adds a range without what is in the list already; drops what does not fit any more.
    void add(const Range& range) {
        RegionList rest;
        (void)rest.ranges_.push_back(range);
        for (const Range& known : ranges_) rest.subtract(known);
        for (const Range& part : rest.ranges_) (void)ranges_.push_back(part);
    }

    /// Takes `hole` out of every range. When a range would have to be split in a full list, its smaller part goes.
    void subtract(const Range& hole) {
        if (hole.empty()) return;
        for (std::size_t i = 0; i < ranges_.size();) {
            const Range range = ranges_[i];
            if (!range.overlaps(hole)) {
                ++i;
                continue;
            }
            Range larger = Range::between(range.start(), hole.start());
            Range smaller = Range::between(hole.end(), range.end());
            if (larger.size() < smaller.size()) std::swap(larger, smaller);
            ranges_.remove_at(i);
            if (!larger.empty()) (void)ranges_.push_back(larger);
            if (!smaller.empty()) (void)ranges_.push_back(smaller);
        }
    }

    /// Shrinks every range to whole pages.
    void round_to_pages() {
        for (std::size_t i = 0; i < ranges_.size();) {
            const uint64_t start = align_up(ranges_[i].start(), page_size_bytes);
            const uint64_t end = align_down(ranges_[i].end(), page_size_bytes);
            if (start < end && start >= ranges_[i].start()) {
                ranges_[i++] = Range::between(start, end);
            } else {
                ranges_.remove_at(i);
            }
        }
    }

    void sort_largest_first() {
        std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) {
            return a.size() != b.size() ? a.size() > b.size() : a.start() < b.start();
        });
    }

    uint64_t total_bytes() const {
        uint64_t sum = 0;
        for (const Range& range : ranges_) sum += range.size();
        return sum;
    }

  private:
    StaticVector<Range, Capacity> ranges_;
};

}  // namespace bulkhead::kernel
