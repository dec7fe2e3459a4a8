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

/// Table pages on the domain's account.
class AddressSpace::TableSource {
  public:
    explicit TableSource(AddressSpace& space) : space_{space} {}

    std::optional<PhysicalAddress> allocate() {
        auto page = space_.heap_.allocate_pages(0);
        if (!page.ok()) return std::nullopt;
        return physical_of(page.value());
    }
    void release(PhysicalAddress page) { space_.heap_.free_pages(direct_map(page), 0); }
    void retire(PhysicalAddress page) {
        *direct_map<PhysicalAddress>(page) = space_.retired_;
        space_.retired_ = page;
    }
    /// Gives back some of those; true when none is left.
    bool release_retired() {
        for (unsigned budget = 256; budget > 0 && space_.retired_.value() != 0; --budget) {
            const PhysicalAddress page = space_.retired_;
            space_.retired_ = *direct_map<PhysicalAddress>(page);
            release(page);
        }
        return space_.retired_.value() == 0;
    }

  private:
    AddressSpace& space_;
};

/// The long part of mapping and of unmapping.
class MappingChange final : public LongOperation {
  public:
    LongOperation* map(Mapping& mapping, const Range& range, PhysicalAddress physical, x86::PageAccess access) {
        mapping_ = &mapping;
        end_ = range.end();
        physical_ = physical;
        access_ = access;
        mapping_is_wanted_ = true;
        status_ = abi::Status::Ok;
        return this;
    }
    LongOperation* unmap(Mapping& mapping) {
        mapping_ = &mapping;
        mapping_is_wanted_ = false;
        status_ = abi::Status::Ok;
        return this;
    }
    std::optional<abi::Status> step() override {
        if (mapping_is_wanted_) {
            if (mapping_->space()->extend(*mapping_, end_, physical_, access_))
                return mapping_->range().end() == end_ ? std::optional{status_} : std::nullopt;
            mapping_is_wanted_ = false;
            status_ = abi::Status::OutOfMemory;
        }
        return mapping_->space()->remove(*mapping_) ? std::optional{status_} : std::nullopt;
    }

  private:
    Mapping* mapping_ = nullptr;
    uint64_t end_ = 0;
    PhysicalAddress physical_;  // of the start
    x86::PageAccess access_{};
    bool mapping_is_wanted_ = false;
    abi::Status status_ = abi::Status::Ok;
};

namespace {
constinit MappingChange mapping_change;
}

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

/// The first mapping that ends behind the start of `range`; null if there is none.
Mapping* AddressSpace::position_for(const Range& range) const {
    Mapping* position = mappings_.front();
    while (position != nullptr && position->range_.end() <= range.start()) position = mappings_.next(*position);
    return position;
}

abi::Result<void> AddressSpace::check(const Range& range) const {
    const uint64_t minimum = is_guest() ? 0 : abi::user_address_minimum;
    const uint64_t limit = is_guest() ? guest_address_limit : abi::user_address_limit;
    const bool inside = range.start() >= minimum && range.end() <= limit;
    if (!inside || range.empty() || !is_aligned(range.start() | range.size(), page_size_bytes)) return abi::Status::BadArgument;
    const Mapping* position = position_for(range);
    if (position != nullptr && position->range_.overlaps(range)) return abi::Status::Overlap;
    return {};
}

/// Enters a mapping, still empty, into the list.
void AddressSpace::insert(Mapping& mapping) {
    mapping.space_ = this;
    if (Mapping* position = position_for(mapping.range_); position != nullptr) {
        mappings_.insert_before(*position, mapping);
    } else {
        mappings_.push_back(mapping);
    }
}

/// Lets a mapping that starts at `physical` grow towards `end` by a bounded part; false if there is no table for more.
bool AddressSpace::extend(Mapping& mapping, uint64_t end, PhysicalAddress physical, x86::PageAccess access) {
    TableSource source{*this};
    const Range& range = mapping.range_;
    const PageTableProgress progress = with_table([&](auto table) {
        return table.map(range.end(), physical + range.size(), end - range.end(), access, source);
    });
    mapping.range_ = *Range::create(range.start(), range.size() + progress.bytes);
    return !progress.exhausted;
}

abi::Result<LongOperation*> AddressSpace::map(const Range& range, MemoryObject& memory, uint64_t offset,
                                              x86::PageAccess access) {
    TRY(check(range));
    auto* mapping = new (TRY(heap_.allocate(sizeof(Mapping)))) Mapping{*Range::create(range.start(), 0), &memory};
    insert(*mapping);
    memory.mappings_.push_back(*mapping);
    return mapping_change.map(*mapping, range, memory.start() + offset, access);
}

abi::Result<LongOperation*> AddressSpace::unmap(uint64_t address) {
    Mapping* mapping = position_for(*Range::create(address, 0));
    if (mapping == nullptr || mapping->range_.start() != address || mapping->memory_ == nullptr) return abi::Status::NotMapped;
    return mapping_change.unmap(*mapping);
}

bool AddressSpace::remove(Mapping& mapping) {
    TableSource source{*this};
    if (const Range range = mapping.range_; !range.empty()) {
        const PageTableProgress progress =
            with_table([&](auto table) { return table.unmap(range.start(), range.size(), source); });
        ASSERT(!progress.exhausted);  // no page is larger than the mapping it belongs to, so none is split
        mapping.range_ = *Range::create(range.start() + progress.bytes, range.size() - progress.bytes);
        if (!mapping.range_.empty()) return false;
        flush();
    }
    if (!source.release_retired()) return false;
    mappings_.remove(mapping);
    if (mapping.memory_ == nullptr) return true;
    mapping.memory_->mappings_.remove(mapping);
    heap_.free(&mapping, sizeof(Mapping));
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
    if (!extend(mapping, range.end(), page, access)) return abi::Status::OutOfMemory;
    insert(mapping);
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
