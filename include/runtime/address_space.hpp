// SPDX-License-Identifier: Apache-2.0
// Which addresses are free for mappings: a bounded list of free ranges. `RangeMap` is the algorithm and not
// synchronised; the functions below hand out the program's own addresses (protocol::Place::runtime) to any thread.
#pragma once

#include <cstdint>

#include "abi/status.hpp"
#include "base/range.hpp"
#include "base/static_vector.hpp"

namespace bulkhead::runtime {

class RangeMap {
  public:
    void initialize(Range free);
    /// Takes `size` bytes, aligned; OutOfMemory if there is no such range.
    abi::Result<uint64_t> allocate(uint64_t size, uint64_t alignment);
    /// Gives a range back, and joins it with its neighbours. If the list is full the range is lost, never reused.
    void release(uint64_t start, uint64_t size);

  private:
    void insert(size_t index, Range range);
    void remove(size_t index);

    StaticVector<Range, 128> free_;  ///< ascending, never adjacent
};

/// Takes addresses; rounds the size up to pages.
abi::Result<uint64_t> allocate_addresses(uint64_t size, uint64_t alignment = 4096);
void release_addresses(uint64_t start, uint64_t size);

}  // namespace bulkhead::runtime
