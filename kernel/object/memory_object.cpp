// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/memory_object.hpp"

#include <cstring>

#include "kernel/arch/x86_64/layout.hpp"

namespace bulkhead::kernel {

bool MemoryObject::free_for_exclusive_use(const Range& part) {
    bool free = true;
    for_each_derived([&](Object& derived) { free &= !static_cast<MemoryObject&>(derived).physical_.overlaps(part); });
    return free;
}

bool MemoryObject::free_for_sharing(const Range& part) {
    bool free = true;
    for_each_derived([&](Object& derived) {
        const auto& other = static_cast<MemoryObject&>(derived);
        free &= other.shared_ || !other.physical_.overlaps(part);
    });
    return free;
}

std::optional<Range> MemoryObject::part(uint64_t offset, uint64_t size) const {
    const std::optional<Range> range = Range::create(offset, size);
    if (!range || size == 0 || !is_aligned(offset | size, page_size_bytes) || range->end() > bytes()) return std::nullopt;
    return Range::create(physical_.start() + offset, size);
}

uint64_t MemoryObject::clear(uint64_t offset) {
    constexpr uint64_t step_bytes = 16 * page_size_bytes;
    const uint64_t size = bytes() - offset < step_bytes ? bytes() - offset : step_bytes;
    std::memset(direct_map(start() + offset), 0, size);
    return offset + size;
}

bool MemoryObject::dismantle() {
    Mapping* mapping = mappings_.front();
    if (mapping == nullptr) return true;
    return mapping->space()->remove(*mapping) && mappings_.empty();
}

}  // namespace bulkhead::kernel
