// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/memory_object.hpp"

#include <cstring>

#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/user_context.hpp"

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

void MemoryObject::clear() {
    constexpr uint64_t step_bytes = 256 * page_size_bytes;  // bounds how long interrupts are off
    for (uint64_t offset = 0; offset < bytes(); offset += step_bytes) {
        const uint64_t rest = bytes() - offset;
        std::memset(direct_map(start() + offset), 0, rest < step_bytes ? rest : step_bytes);
        let_interrupts_in();
    }
}

bool MemoryObject::dismantle() {
    Mapping* mapping = mappings_.front();
    if (mapping == nullptr) return true;
    mapping->space()->remove(*mapping);
    return mappings_.empty();
}

}  // namespace bulkhead::kernel
