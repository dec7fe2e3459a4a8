// SPDX-License-Identifier: Apache-2.0
// Counts accesses to what is not there and says which of them are the first of their kind, so that each is named
// once in the log however often the guest repeats it. Bounded; diagnostic only, not part of the machine's state.
#pragma once

#include <cstdint>

#include "base/static_vector.hpp"

namespace bulkhead::vmm {

class FirstTime {
  public:
    /// Counts; true the first time for this key, while there is room to remember it.
    bool first(uint64_t key) {
        ++count_;
        for (const uint64_t known : known_) {
            if (known == key) return false;
        }
        return known_.push_back(key);
    }
    uint64_t count() const { return count_; }

  private:
    StaticVector<uint64_t, 128> known_;
    uint64_t count_ = 0;
};

}  // namespace bulkhead::vmm
