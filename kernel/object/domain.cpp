// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/domain.hpp"

#include <bit>
#include <cstring>

#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/object/doorbell.hpp"
#include "kernel/object/machine.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

using abi::Status;

Object::Object(abi::ObjectType type, Domain* owner, Object* source) : type_{type}, owner_{owner}, source_{source} {
    if (owner_ != nullptr) owner_->owned_.push_back(*this);
    if (source_ != nullptr) source_->derived_.push_back(*this);
}

Domain::Domain(Domain* owner, const abi::CreateDomain& wanted)
    : Object{object_type, owner, nullptr},
      kind_{wanted.kind},
      maximum_priority_{wanted.maximum_priority},
      space_{heap_},
      stub_mapping_{*Range::create(abi::stub_page_address, page_size_bytes)} {}

abi::Result<Domain*> Domain::create(Domain& owner, const abi::CreateDomain& wanted) {
    const bool guest = wanted.kind == abi::DomainKind::Guest;
    const bool slots_ok = guest || (wanted.capability_slots >= CapabilitySpace::minimum_slots &&
                                    wanted.capability_slots <= CapabilitySpace::maximum_slots);
    if (wanted.kind > abi::DomainKind::Guest || wanted.maximum_priority > owner.maximum_priority() || !slots_ok)
        return Status::BadArgument;
    if (guest && virtualization() == abi::Virtualization::None) return Status::NotSupported;
    return owner.make<Domain>(wanted);
}

Domain& Domain::create_root(uint64_t quota_pages, uint32_t capability_slots) {
    // It is never destroyed, and nobody owns it: its memory comes straight from the pool.
    ObjectHeap pool;
    pool.set_quota(1);
    void* place = pool.allocate(sizeof(Domain)).unwrap("the pool is at least 16 MiB at boot");
    const abi::CreateDomain wanted{.owner = abi::null_selector,
                                   .slot = abi::null_selector,
                                   .kind = abi::DomainKind::Native,
                                   .maximum_priority = abi::priorities - 1,
                                   .capability_slots = capability_slots,
                                   .quota_pages = quota_pages - 1};
    auto* root = new (place) Domain{nullptr, wanted};
    root->initialise(wanted).unwrap("the pool is at least 16 MiB at boot");
    return *root;
}

abi::Result<void> Domain::initialise(const abi::CreateDomain& wanted) {
    if (owner() != nullptr && !owner()->heap_.reserve(wanted.quota_pages)) return Status::OutOfMemory;
    heap_.set_quota(wanted.quota_pages);
    if (is_guest()) {
        const bool extended = virtualization() == abi::Virtualization::Vmx;
        return space_.create(extended ? AddressSpace::Format::Extended : AddressSpace::Format::Nested);
    }
    TRY(space_.create(AddressSpace::Format::Host));
    TRY(space_.map_kernel_page(stub_mapping_, stub_page(), {.execute = true}));
    const uint32_t slots = std::bit_ceil(uint32_t{wanted.capability_slots});
    const uint64_t pages = align_up(slots * sizeof(uint64_t), page_size_bytes) / page_size_bytes;
    capability_order_ = static_cast<unsigned>(std::bit_width(pages) - 1);
    void* memory = TRY(heap_.allocate_pages(capability_order_));
    capabilities_.initialise(static_cast<std::atomic<uint64_t>*>(memory), slots);
    return {};
}

abi::Result<void> Domain::publish(abi::Selector slot, Object& object, abi::Rights rights) {
    const auto word = ObjectTable::insert(object);
    if (!word.ok()) {
        discard(object);
        return word.error();
    }
    const auto filled = capabilities_.fill(slot, abi::CapabilityWord::RightsField::write(word.value(), rights));
    if (!filled.ok()) {
        ObjectTable::remove(object);
        discard(object);
    }
    return filled;
}

abi::Result<void> Domain::allow_ports(PortRange& ports) {
    if (is_guest()) return Status::BadArgument;
    if (io_bitmap_ == nullptr) {
        io_bitmap_ = static_cast<uint8_t*>(TRY(heap_.allocate_pages(io_bitmap_order)));
        std::memset(io_bitmap_, UINT8_MAX, TaskState::bitmap_bytes);
    }
    // The hand-laid paths switch no ports: they must leave this domain's threads alone before there are any.
    for (Object& owned : owned_)
        if (auto* thread = object_cast<Thread>(&owned); thread != nullptr) thread->note_ports();
    cross_cpu::run_everywhere([] {});
    if (port_ranges_.full()) return Status::Busy;
    if (ports.users_.contains(this)) return Status::Overlap;
    if (!ports.users_.push_back(this)) return Status::Busy;
    (void)port_ranges_.push_back(&ports);
    change_ports(ports, false);
    return {};
}

void Domain::change_ports(const PortRange& ports, bool forbid) {
    for (uint32_t port = ports.first(); port < ports.first() + ports.count(); ++port) {
        const auto mask = static_cast<uint8_t>(1u << port % 8);
        uint8_t& byte = io_bitmap_[port / 8];
        byte = static_cast<uint8_t>(forbid ? byte | mask : byte & ~mask);
    }
    static constinit uint64_t last_version = 0;  // of all domains; what CPUs start with is like a new bitmap
    io_version_ = ++last_version;
}

void Domain::forbid_ports(PortRange& ports) {
    change_ports(ports, true);
    port_ranges_.remove(&ports);
    for (const PortRange* range : port_ranges_) change_ports(*range, false);  // an overlap
}

void PortRange::retire() {
    for (Domain* user : users_) user->forbid_ports(*this);
    users_.clear();
}

abi::Result<DoorbellTable*> Domain::needed_doorbells() {
    if (doorbells() == nullptr) doorbells_ = new (TRY(heap_.allocate(sizeof(DoorbellTable)))) DoorbellTable;
    return doorbells();
}

void Domain::retire() {
    for (PortRange* range : port_ranges_) range->users_.remove(this);
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
        heap_.free_pages(io_bitmap_, io_bitmap_order);
        heap_.free_pages(capabilities_.slots(), capability_order_);
        space_.destroy();
    }
    return heap_.release_some();
}

void Domain::release() {
    while (!release_some()) continue;
    if (owner() != nullptr) owner()->heap().unreserve(heap_.quota_pages());
    ASSERT(heap_.free_pages() == heap_.quota_pages());
}

}  // namespace bulkhead::kernel
