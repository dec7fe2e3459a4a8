// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/domain.hpp"

#include <bit>
#include <new>

#include "abi/layout.hpp"
#include "base/scope_guard.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/object/doorbell.hpp"
#include "kernel/object/port_range.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

namespace {

/// The format of guest-physical spaces on this processor.
AddressSpace::Format guest_format() {
    return virtualization() == abi::Virtualization::Vmx ? AddressSpace::Format::Extended : AddressSpace::Format::Nested;
}

}  // namespace

Domain::Domain(Domain* owner, const Parameters& parameters)
    : Object{object_type, owner, nullptr},
      kind_{parameters.kind},
      maximum_priority_{parameters.maximum_priority},
      heap_{parameters.quota_pages},
      space_{heap_},
      stub_mapping_{*Range::create(abi::stub_page_address, page_size_bytes)} {}

abi::Result<Domain*> Domain::create(Domain& owner, const Parameters& parameters) {
    const bool guest = parameters.kind == abi::DomainKind::Guest;
    if (parameters.kind != abi::DomainKind::Native && !guest) return abi::Status::BadArgument;
    if (guest && virtualization() == abi::Virtualization::None) return abi::Status::NotSupported;
    if (parameters.maximum_priority > owner.maximum_priority()) return abi::Status::BadArgument;
    if (!guest && (parameters.capability_slots < CapabilitySpace::minimum_slots ||
                   parameters.capability_slots > CapabilitySpace::maximum_slots))
        return abi::Status::BadArgument;
    if (!owner.heap_.reserve(parameters.quota_pages)) return abi::Status::OutOfMemory;
    ScopeGuard return_quota{[&] { owner.heap_.unreserve(parameters.quota_pages); }};
    void* memory = TRY(owner.heap_.allocate(sizeof(Domain)));
    auto* domain = new (memory) Domain{&owner, parameters};
    return_quota.dismiss();  // its `release` does that now
    auto initialised = domain->initialise(guest ? 0 : parameters.capability_slots);
    if (!initialised.ok()) {
        domain->release();
        owner.owned_.remove(*domain);
        owner.heap_.free(memory, sizeof(Domain));
        return initialised.error();
    }
    return domain;
}

Domain& Domain::create_root(uint64_t quota_pages, uint32_t capability_slots) {
    // It is never destroyed, and nobody owns it: its memory comes straight from the pool.
    ObjectHeap pool{1};
    void* place = pool.allocate(sizeof(Domain)).unwrap("the pool is at least 16 MiB at boot");
    auto* root = new (place) Domain{nullptr, {.kind = abi::DomainKind::Native,
                                              .maximum_priority = abi::priorities - 1,
                                              .capability_slots = capability_slots,
                                              .quota_pages = quota_pages - 1}};
    root->initialise(capability_slots).unwrap("the pool is at least 16 MiB at boot");
    return *root;
}

abi::Result<void> Domain::initialise(uint32_t capability_slots) {
    if (is_guest()) return space_.create(guest_format());
    TRY(space_.create(AddressSpace::Format::Host));
    TRY(space_.map_kernel_page(stub_mapping_, stub_page(), {.write = false, .execute = true, .user = true}));
    const uint32_t slots = std::bit_ceil(capability_slots);
    const uint64_t pages = align_up(slots * sizeof(uint64_t), page_size_bytes) / page_size_bytes;
    capability_order_ = static_cast<unsigned>(std::bit_width(pages) - 1);
    void* memory = TRY(heap_.allocate_pages(capability_order_));
    capabilities_.initialise(static_cast<std::atomic<uint64_t>*>(memory), slots);
    return {};
}

abi::Result<void> Domain::allow_ports(PortRange& ports) {
    if (is_guest()) return abi::Status::BadArgument;
    if (io_permissions_ == nullptr) io_permissions_ = TRY(IoPermissions::create(heap_));
    // The hand-laid paths switch no ports: they must leave this domain's threads alone before there are any.
    for (Object& owned : owned_)
        if (auto* thread = object_cast<Thread>(&owned); thread != nullptr) thread->note_ports();
    cross_cpu::run_everywhere([](void*) {}, nullptr);
    if (port_ranges_.full()) return abi::Status::Busy;
    TRY(ports.attach(*this));
    (void)port_ranges_.push_back(&ports);
    io_permissions_->allow(ports.first(), ports.count());
    return {};
}

void Domain::forbid_ports(PortRange& ports) {
    io_permissions_->forbid(ports.first(), ports.count());
    for (PortRange*& range : port_ranges_) {
        if (range == &ports) {
            range = port_ranges_.back();
        } else {
            io_permissions_->allow(range->first(), range->count());  // where it overlaps the one that dies
        }
    }
    port_ranges_.pop_back();
}

abi::Result<DoorbellTable*> Domain::needed_doorbells() {
    if (doorbells() == nullptr) doorbells_ = new (TRY(heap_.allocate(sizeof(DoorbellTable)))) DoorbellTable;
    return doorbells();
}

void Domain::retire() {
    for (PortRange* range : port_ranges_) range->detach(*this);
    port_ranges_.clear();
}

bool Domain::dismantle() {
    Mapping* mapping = space_.any_mapping();
    return mapping == nullptr || (space_.remove(*mapping) && space_.any_mapping() == nullptr);
}

bool Domain::release_some() {
    if (space_.root().value() != 0) {
        forget_domain(*this);
        if (stub_mapping_.space() != nullptr) (void)space_.remove(stub_mapping_);
        if (io_permissions_ != nullptr) io_permissions_->destroy(heap_);
        if (capabilities_.slots() != nullptr) heap_.free_pages(capabilities_.slots(), capability_order_);
        space_.destroy();
    }
    return heap_.release_some();
}

void Domain::release() {
    while (!release_some()) {
    }
    if (owner() != nullptr) owner()->heap().unreserve(heap_.quota_pages());
    ASSERT(heap_.free_pages() == heap_.quota_pages());
}

}  // namespace bulkhead::kernel
