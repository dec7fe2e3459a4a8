// SPDX-License-Identifier: Apache-2.0
#include "kernel/capability/object_table.hpp"

#include <new>

#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/memory/kernel_pages.hpp"

namespace bulkhead::kernel {

std::atomic<uint64_t>* object_table_entries;

using Generation = ObjectTable::Generation;

static void set_entry(uint32_t index, uint64_t generation, uint64_t location) {
    object_table_entries[index].store(Generation::make(generation) | ObjectTable::Location::make(location),
                                      std::memory_order_release);
}

void ObjectTable::initialise() {
    constexpr uint64_t pool_bytes_per_entry = 512;
    const uint64_t wanted = kernel_pages_free() * page_size_bytes / pool_bytes_per_entry * sizeof(uint64_t);
    unsigned order = 0;
    while (order < PageAllocator::max_order && (page_size_bytes << (order + 1)) <= wanted) ++order;
    const std::optional<PhysicalAddress> pages = allocate_pages(order);
    ASSERT(pages.has_value());  // the pool is at least 16 MiB at boot
    const auto capacity = static_cast<uint32_t>((page_size_bytes << order) / sizeof(uint64_t));
    object_table_entries = new (direct_map(*pages)) std::atomic<uint64_t>[capacity];
    for (uint32_t index = 1; index < capacity; ++index) set_entry(index, 1, index + 1 < capacity ? index + 1 : 0);
    set_entry(0, Generation::value_mask, 0);  // matches no capability
    first_free_ = 1;
}

abi::Result<uint64_t> ObjectTable::insert(Object& object) {
    if (first_free_ == 0) return abi::Status::OutOfMemory;
    uint32_t index = first_free_;
    uint64_t entry = object_table_entries[index].load(std::memory_order_relaxed);
    uint64_t generation = Generation::read(entry);
    first_free_ = static_cast<uint32_t>(Location::read(entry));
    object.table_index_ = index;
    set_entry(index, generation, reinterpret_cast<uint64_t>(&object) >> location_shift);
    using abi::CapabilityWord;
    return CapabilityWord::Index::make(index) | CapabilityWord::Generation::make(generation) |
           CapabilityWord::RightsField::make(abi::all_rights) | CapabilityWord::Type::make(object.type());
}

void ObjectTable::remove(Object& object) {
    const uint32_t index = object.table_index_;
    const uint64_t next_generation = Generation::read(object_table_entries[index].load(std::memory_order_relaxed)) + 1;
    set_entry(index, next_generation, first_free_);
    if (next_generation != Generation::value_mask) first_free_ = index;  // else used up, so that no capability revives
}

}  // namespace bulkhead::kernel
