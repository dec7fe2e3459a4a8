// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/address_space.hpp"

#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/memory/kernel_space.hpp"
#include "kernel/object/memory_object.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

using abi::Status;

constexpr Range guest_addresses = Range::between(0, uint64_t{1} << 46);
constexpr Range user_addresses = Range::between(abi::user_address_minimum, abi::user_address_limit);

/// Table pages on the domain's account.
struct AddressSpace::Tables : DirectMapMemory {
    explicit Tables(AddressSpace& of) : space{of} {}
    AddressSpace& space;

    std::optional<PhysicalAddress> allocate() {
        const auto page = space.heap_.allocate_pages(0);
        return page.ok() ? std::optional{physical_of(page.value())} : std::nullopt;
    }
    void release(PhysicalAddress page) { space.heap_.free_pages(direct_map(page), 0); }
    void retire(PhysicalAddress page) {
        *direct_map<PhysicalAddress>(page) = space.retired_;
        space.retired_ = page;
    }
    /// Gives back some of those; true when none is left.
    bool release_retired() {
        for (unsigned budget = 256; budget > 0 && space.retired_.value() != 0; --budget) {
            const PhysicalAddress page = space.retired_;
            space.retired_ = *direct_map<PhysicalAddress>(page);
            release(page);
        }
        return space.retired_.value() == 0;
    }
};

template <typename Function>
auto AddressSpace::with_table(Function function) {
    if (format_ == Format::Extended) return function(PageTable<x86::ExtendedPageFormat, Tables>{root_, Tables{*this}});
    return function(PageTable<x86::HostPageFormat, Tables>{root_, Tables{*this}});
}

abi::Result<void> AddressSpace::create(Format format) {
    void* root = TRY(heap_.allocate_pages(0));
    format_ = format;
    root_ = physical_of(root);
    if (format == Format::Host) initialize_root_table(root_);
    return {};
}

void AddressSpace::destroy() {
    heap_.free_pages(direct_map(root_), 0);
    root_ = {};
}

/// The first mapping that ends behind `start`; null if there is none.
Mapping* AddressSpace::position_for(uint64_t start) const {
    Mapping* position = mappings_.front();
    while (position != nullptr && position->range_.end() <= start) position = mappings_.next(*position);
    return position;
}

abi::Result<void> AddressSpace::check(const Range& range) const {
    const Range& allowed = is_guest() ? guest_addresses : user_addresses;
    if (!allowed.contains(range) || range.empty() || !is_aligned(range.start() | range.size(), page_size_bytes))
        return Status::BadArgument;
    const Mapping* position = position_for(range.start());
    if (position != nullptr && position->range_.overlaps(range)) return Status::Overlap;
    return {};
}

/// Enters a mapping, still empty, into the list.
void AddressSpace::insert(Mapping& mapping) {
    mapping.space_ = this;
    mappings_.insert_before(position_for(mapping.range_.start()), mapping);
}

/// Lets a mapping that starts at `physical` grow towards `end` by a bounded part; false if there is no table for more.
bool AddressSpace::extend(Mapping& mapping, uint64_t end, PhysicalAddress physical, x86::PageAccess access) {
    const Range& range = mapping.range_;
    const PageTableProgress progress = with_table(
        [&](auto table) { return table.map(range.end(), physical + range.size(), end - range.end(), access); });
    mapping.range_ = *Range::create(range.start(), range.size() + progress.bytes);
    return !progress.exhausted;
}

abi::Result<void> AddressSpace::map(const Range& range, MemoryObject& memory, uint64_t offset, x86::PageAccess access) {
    TRY(check(range));
    auto* mapping = new (TRY(heap_.allocate(sizeof(Mapping)))) Mapping{*Range::create(range.start(), 0), &memory};
    insert(*mapping);
    memory.mappings_.push_back(*mapping);
    const PhysicalAddress physical = memory.start() + offset;
    LongOperation::begin([=, this, end = range.end(), status = Status::Ok]() mutable -> std::optional<Status> {
        if (status == Status::Ok && extend(*mapping, end, physical, access))
            return mapping->range_.end() == end ? std::optional{status} : std::nullopt;
        status = Status::OutOfMemory;  // what there is of it goes again
        return remove(*mapping) ? std::optional{status} : std::nullopt;
    });
    return {};
}

abi::Result<void> AddressSpace::unmap(uint64_t address) {
    Mapping* mapping = position_for(address);
    if (mapping == nullptr || mapping->range_.start() != address || mapping->memory_ == nullptr)
        return Status::NotMapped;
    LongOperation::begin([=, this] { return remove(*mapping) ? std::optional{Status::Ok} : std::nullopt; });
    return {};
}

bool AddressSpace::remove(Mapping& mapping) {
    if (const Range range = mapping.range_; !range.empty()) {
        const uint64_t done = with_table([&](auto table) { return table.unmap(range.start(), range.size()); });
        mapping.range_ = *Range::create(range.start() + done, range.size() - done);
        if (!mapping.range_.empty()) return false;
        flush();
    }
    if (!Tables{*this}.release_retired()) return false;
    mappings_.remove(mapping);
    if (mapping.memory_ == nullptr) return true;
    mapping.memory_->mappings_.remove(mapping);
    heap_.free(&mapping);
    return true;
}

Mapping* AddressSpace::any_mapping() const {
    for (Mapping& mapping : mappings_)
        if (mapping.memory_ != nullptr) return &mapping;
    return nullptr;
}

abi::Result<void> AddressSpace::map_kernel_page(Mapping& mapping, PhysicalAddress page, x86::PageAccess access) {
    const Range range = mapping.range_;
    TRY(check(range));
    mapping.range_ = *Range::create(range.start(), 0);
    if (!extend(mapping, range.end(), page, access)) return Status::OutOfMemory;
    insert(mapping);
    return {};
}

void AddressSpace::flush() {
    ++flush_generation_;
    // A CPU in a guest leaves it for the request and compares the generation before it enters again.
    cross_cpu::run_everywhere([this] { flush_root_table(root_); });
}

}  // namespace bulkhead::kernel
