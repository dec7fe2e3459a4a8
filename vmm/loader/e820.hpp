// SPDX-License-Identifier: Apache-2.0
// The guest's memory map, as firmware would tell it: made from its RAM blocks and the layout.
#pragma once

#include <cstdint>

#include "base/static_vector.hpp"
#include "vmm/vm/guest_memory.hpp"

namespace bulkhead::vmm {

enum class E820Type : uint32_t { Ram = 1, Reserved = 2 };

struct [[gnu::packed]] E820Entry {
    uint64_t start;
    uint64_t size_bytes;
    E820Type type;
};
static_assert(sizeof(E820Entry) == 20);

inline constexpr std::size_t max_e820_entries = 32;
using E820Map = StaticVector<E820Entry, max_e820_entries>;

E820Map make_e820(const GuestMemory& memory);

}  // namespace bulkhead::vmm
