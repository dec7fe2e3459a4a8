// SPDX-License-Identifier: Apache-2.0
// The machine's RAM, as init hands it out: the memories of RootInformation, and which parts of them are free. What
// init gives to a domain is a derived memory object that the domain owns, so it goes with the domain; the range is
// returned here afterwards. Main thread only.
#pragma once

#include <cstdint>

#include "abi/layout.hpp"
#include "abi/status.hpp"
#include "base/static_vector.hpp"
#include "runtime/address_space.hpp"
#include "runtime/object.hpp"

namespace bulkhead::init {

/// A piece of RAM and the memory object for it. The selector is init's.
struct MemoryPiece {
    runtime::Memory memory;
    uint64_t physical_address = 0;
    uint64_t size_bytes = 0;

    explicit operator bool() const { return size_bytes != 0; }
};

class MemoryPool {
  public:
    void initialize(const abi::RootInformation& root);

    /// A cleared piece that belongs to `owner`.
    abi::Result<MemoryPiece> take(uint64_t size_bytes, uint64_t alignment, abi::Selector owner, abi::Rights rights);
    /// Gives a piece back whose memory object is gone, or goes now.
    void give_back(MemoryPiece& piece);
    uint64_t free_bytes() const { return free_bytes_; }

  private:
    struct Source {
        abi::RootMemory memory;
        runtime::RangeMap free;  ///< physical addresses, so that alignment holds for the hardware's large pages
    };
    Source sources_[abi::max_root_memories];
    uint32_t source_count_ = 0;
    uint64_t free_bytes_ = 0;
};

}  // namespace bulkhead::init
