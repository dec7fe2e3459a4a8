// SPDX-License-Identifier: Apache-2.0
// Translation of a guest's linear addresses by the guest's own page tables (Intel SDM volume 3, chapter 4): none,
// 32-bit, PAE, 4-level and 5-level. The tables are the guest's, hence hostile and changing: each entry is read once.
#pragma once

#include <cstdint>

#include "base/address.hpp"
#include "base/result.hpp"
#include "vmm/arch/x86/registers.hpp"
#include "vmm/vm/guest_memory.hpp"

namespace bulkhead::vmm {

enum class PageWalkError : uint8_t {
    NotPresent,          ///< an entry is not present
    NotWritable,         ///< a write met an entry that forbids it
    ReservedBits,        ///< an entry that hardware refuses
    TableOutsideMemory,  ///< a table lies where there is no RAM
    NotCanonical,
};

enum class WalkFor : uint8_t {
    Read,
    Write,  ///< also sets accessed and dirty, as the access would have done
};

struct Translation {
    GuestPhysicalAddress address;
    uint64_t mapping_bytes = page_size_bytes;  ///< size of the page that maps it
};

Result<Translation, PageWalkError> translate(const GuestMemory& memory, const PagingState& paging, uint64_t linear,
                                             WalkFor purpose);

}  // namespace bulkhead::vmm
