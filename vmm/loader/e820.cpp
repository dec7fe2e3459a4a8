// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/e820.hpp"

#include "vmm/vm/layout.hpp"

namespace bulkhead::vmm {
namespace {

void add(E820Map& map, uint64_t start, uint64_t end, E820Type type) {
    if (start >= end) return;
    const bool fits = map.push_back({start, end - start, type});
    ASSERT(fits);
}

}  // namespace

E820Map make_e820(const GuestMemory& memory) {
    E820Map map;
    for (const RamBlock& block : memory.blocks()) {
        const uint64_t start = block.start.value();
        const uint64_t end = start + block.size_bytes;
        // Below 1 MiB only conventional memory is free; above, all of it.
        const uint64_t low_end = end < Layout::low_ram_end ? end : uint64_t{Layout::low_ram_end};
        add(map, start, low_end, E820Type::Ram);
        add(map, start > Layout::high_ram ? start : uint64_t{Layout::high_ram}, end, E820Type::Ram);
    }
    add(map, Layout::low_ram_end, Layout::high_ram, E820Type::Reserved);
    add(map, Layout::ecam, Layout::ecam + Layout::ecam_bytes, E820Type::Reserved);
    // Sorted by address: some kernels take the first entry for the lowest one.
    for (std::size_t done = 1; done < map.size(); ++done) {
        for (std::size_t index = done; index > 0 && map[index].start < map[index - 1].start; --index) {
            const E820Entry entry = map[index];
            map[index] = map[index - 1];
            map[index - 1] = entry;
        }
    }
    return map;
}

}  // namespace bulkhead::vmm
