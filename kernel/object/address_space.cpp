// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/address_space.hpp"

#include <new>
#include <optional>

#include "abi/layout.hpp"
#include "kernel/arch/x86_64/features.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/memory/kernel_space.hpp"
#include "kernel/object/memory_object.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

namespace {

constexpr uint64_t guest_address_limit = uint64_t{1} << 46;

template <typename PageFormat>
PageFormat page_format() {
    PageFormat format;
    format.largest_page_level = cpu_features().pages_1g ? 2 : 1;
    return format;
}

}  // namespace

/// Table pages on the domain's account. Retired ones wait for the flush, linked through their first words.
class AddressSpace::TableSource {
  public:
    explicit TableSource(ObjectHeap& heap) : heap_{heap} {}

    std::optional<PhysicalAddress> allocate() {
        auto page = heap_.allocate_pages(0);
        if (!page.ok()) return std::nullopt;
        return physical_of(page.value());
    }
    void release(PhysicalAddress page) { heap_.free_pages(direct_map(page), 0); }
    void retire(PhysicalAddress page) {
        *direct_map<PhysicalAddress>(page) = retired_;
        retired_ = page;
    }
    void release_retired() {
        while (retired_.value() != 0) {
            const PhysicalAddress page = retired_;
            retired_ = *direct_map<PhysicalAddress>(page);
            release(page);
        }
    }

  private:
    ObjectHeap& heap_;
    PhysicalAddress retired_;
};

template <typename Function>
auto AddressSpace::with_table(Function function) const {
    switch (format_) {
        case Format::Extended:
            return function(PageTable{root_, page_format<x86::ExtendedPageFormat>(), DirectMapMemory{}});
        case Format::Nested:
            return function(PageTable{root_, page_format<x86::NestedPageFormat>(), DirectMapMemory{}});
        default:
            return function(PageTable{root_, page_format<x86::HostPageFormat>(), DirectMapMemory{}});
    }
}

abi::Result<void> AddressSpace::create(Format format) {
    void* root = TRY(heap_.allocate_pages(0));
    format_ = format;
    root_ = physical_of(root);
    if (format == Format::Host) initialize_root_table(root_);
    return {};
}

void AddressSpace::destroy() {
    if (root_.value() != 0) heap_.free_pages(direct_map(root_), 0);
    root_ = {};
}

/// The first mapping behind `range`, where it goes into the list; null at the end.
Mapping* AddressSpace::position_for(const Range& range, bool& overlap) const {
    Mapping* position = mappings_.front();
    while (position != nullptr && position->range_.end() <= range.start()) position = mappings_.next(*position);
    overlap = position != nullptr && position->range_.overlaps(range);
    return position;
}

abi::Result<void> AddressSpace::check(const Range& range) const {
    const uint64_t minimum = is_guest() ? 0 : abi::user_address_minimum;
    const uint64_t limit = is_guest() ? guest_address_limit : abi::user_address_limit;
    const bool inside = range.start() >= minimum && range.end() <= limit;
    if (!inside || range.empty() || !is_aligned(range.start() | range.size(), page_size_bytes)) return abi::Status::BadArgument;
    bool overlap = false;
    position_for(range, overlap);
    if (overlap) return abi::Status::Overlap;
    return {};
}

abi::Result<void> AddressSpace::enter(const Range& range, PhysicalAddress physical, x86::PageAccess access) {
    TableSource source{heap_};
    uint64_t done = 0;
    while (done < range.size()) {
        const PageTableProgress progress = with_table([&](auto table) {
            return table.map(range.start() + done, physical + done, range.size() - done, access, source);
        });
        done += progress.bytes;
        if (progress.exhausted) {
            if (done != 0) clear(*Range::create(range.start(), done));
            return abi::Status::OutOfMemory;
        }
        let_interrupts_in();
    }
    return {};
}

void AddressSpace::clear(const Range& range) {
    TableSource source{heap_};
    uint64_t done = 0;
    while (done < range.size()) {
        const PageTableProgress progress = with_table(
            [&](auto table) { return table.unmap(range.start() + done, range.size() - done, source); });
        ASSERT(!progress.exhausted);  // no page is larger than the mapping it belongs to, so none is split
        done += progress.bytes;
        let_interrupts_in();
    }
    flush();
    source.release_retired();
}

abi::Result<void> AddressSpace::map(const Range& range, MemoryObject& memory, uint64_t offset, x86::PageAccess access) {
    TRY(check(range));
    void* record = TRY(heap_.allocate(sizeof(Mapping)));
    auto entered = enter(range, memory.start() + offset, access);
    if (!entered.ok()) {
        heap_.free(record, sizeof(Mapping));
        return entered;
    }
    Mapping* mapping = new (record) Mapping{range, &memory};
    mapping->space_ = this;
    bool overlap = false;
    if (Mapping* position = position_for(range, overlap); position != nullptr) {
        mappings_.insert_before(*position, *mapping);
    } else {
        mappings_.push_back(*mapping);
    }
    memory.mappings_.push_back(*mapping);
    return {};
}

abi::Result<void> AddressSpace::unmap(uint64_t address) {
    for (Mapping& mapping : mappings_) {
        if (mapping.range_.start() != address || mapping.memory_ == nullptr) continue;
        remove(mapping);
        return {};
    }
    return abi::Status::NotMapped;
}

void AddressSpace::remove(Mapping& mapping) {
    clear(mapping.range_);
    mappings_.remove(mapping);
    if (mapping.memory_ == nullptr) return;
    mapping.memory_->mappings_.remove(mapping);
    heap_.free(&mapping, sizeof(Mapping));
}

Mapping* AddressSpace::any_mapping() const {
    for (Mapping& mapping : mappings_)
        if (mapping.memory_ != nullptr) return &mapping;
    return nullptr;
}

abi::Result<void> AddressSpace::map_kernel_page(Mapping& mapping, PhysicalAddress page, x86::PageAccess access) {
    TRY(check(mapping.range_));
    TRY(enter(mapping.range_, page, access));
    mapping.space_ = this;
    bool overlap = false;
    if (Mapping* position = position_for(mapping.range_, overlap); position != nullptr) {
        mappings_.insert_before(*position, mapping);
    } else {
        mappings_.push_back(mapping);
    }
    return {};
}

void AddressSpace::flush() {
    ++flush_generation_;
    // A CPU in a guest leaves it for the request and compares the generation before it enters again.
    cross_cpu::run_everywhere(
        [](void* self) {
            const auto& space = *static_cast<AddressSpace*>(self);
            if (!space.is_guest() && loaded_root_table() == space.root_) flush_loaded_root_table();
        },
        this);
}

}  // namespace bulkhead::kernel
