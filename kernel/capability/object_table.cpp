// SPDX-License-Identifier: Apache-2.0
#include "kernel/capability/object_table.hpp"

#include <new>

#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

namespace {
constexpr unsigned location_shift = 6;
constexpr unsigned largest_order = 10;
constexpr uint64_t pool_bytes_per_entry = 512;
}  // namespace

std::atomic<uint64_t>* object_table_entries;
uint32_t ObjectTable::capacity_;
uint32_t ObjectTable::first_free_;

void ObjectTable::initialise() {
    uint64_t wanted = kernel_pages_free() * page_size_bytes / pool_bytes_per_entry * sizeof(uint64_t);
    unsigned order = 0;
    while (order < largest_order && (page_size_bytes << (order + 1)) <= wanted) ++order;
    const std::optional<PhysicalAddress> pages = allocate_pages(order);
    ASSERT(pages.has_value());  // the pool is at least 16 MiB at boot
    object_table_entries = new (direct_map(*pages)) std::atomic<uint64_t>[
        (page_size_bytes << order) / sizeof(uint64_t)];
    capacity_ = static_cast<uint32_t>((page_size_bytes << order) / sizeof(uint64_t));
    for (uint32_t index = 1; index < capacity_; ++index) {
        uint32_t next = index + 1 < capacity_ ? index + 1 : 0;
        object_table_entries[index].store(Generation::make(1) | Location::make(next), std::memory_order_relaxed);
    }
    object_table_entries[0].store(Generation::make(Generation::value_mask), std::memory_order_relaxed);  // matches no capability
    first_free_ = 1;
}

abi::Result<uint64_t> ObjectTable::insert(Object& object) {
    if (first_free_ == 0) return abi::Status::OutOfMemory;
    uint32_t index = first_free_;
    uint64_t entry = object_table_entries[index].load(std::memory_order_relaxed);
    uint64_t generation = Generation::read(entry);
    first_free_ = static_cast<uint32_t>(Location::read(entry));
    object.table_index_ = index;
    object_table_entries[index].store(Generation::make(generation) | Location::make(reinterpret_cast<uint64_t>(&object) >> location_shift),
                          std::memory_order_release);
    using abi::CapabilityWord;
    return CapabilityWord::Index::make(index) | CapabilityWord::Generation::make(generation) |
           CapabilityWord::RightsField::make(abi::all_rights) | CapabilityWord::Type::make(object.type());
}

void ObjectTable::remove(Object& object) {
    uint32_t index = object.table_index_;
    uint64_t next_generation = Generation::read(object_table_entries[index].load(std::memory_order_relaxed)) + 1;
    if (next_generation == Generation::value_mask) {  // used up: retired for ever, so that no capability revives
        object_table_entries[index].store(Generation::make(next_generation), std::memory_order_release);
        return;
    }
    object_table_entries[index].store(Generation::make(next_generation) | Location::make(first_free_), std::memory_order_release);
    first_free_ = index;
}

}  // namespace bulkhead::kernel
