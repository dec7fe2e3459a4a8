// SPDX-License-Identifier: Apache-2.0
// A half-open range [start, start + size) of unsigned numbers that cannot wrap: the one place for bounds arithmetic.
#pragma once

#include <cstdint>
#include <optional>

namespace bulkhead {

class Range {
  public:
    constexpr Range() = default;

    /// The range, or nothing if `start + size` does not fit into 64 bits.
    static constexpr std::optional<Range> create(uint64_t start, uint64_t size) {
        if (size > UINT64_MAX - start) return std::nullopt;
        return Range{start, size};
    }

    /// The range from `start` to before `end`; empty if that is not behind it.
    static constexpr Range between(uint64_t start, uint64_t end) { return start < end ? Range{start, end - start} : Range{}; }

    constexpr uint64_t start() const { return start_; }
    constexpr uint64_t size() const { return size_; }
    constexpr uint64_t end() const { return start_ + size_; }
    constexpr bool empty() const { return size_ == 0; }
    constexpr bool contains(uint64_t value) const { return value - start_ < size_ && value >= start_; }
    constexpr bool contains(const Range& other) const { return other.start_ >= start_ && other.end() <= end(); }
    constexpr bool overlaps(const Range& other) const {
        return !empty() && !other.empty() && start_ < other.end() && other.start_ < end();
    }
    constexpr bool operator==(const Range&) const = default;

  private:
    constexpr Range(uint64_t start, uint64_t size) : start_{start}, size_{size} {}

    uint64_t start_ = 0;
    uint64_t size_ = 0;
};

}  // namespace bulkhead
