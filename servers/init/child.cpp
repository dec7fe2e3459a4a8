// SPDX-License-Identifier: Apache-2.0
#include "servers/init/child.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::init {

Outcome Child::create(uint64_t quota_pages, uint8_t maximum_priority) {
    next_slot_ = abi::WellKnownSlot::FirstFree;
    domain_ = STEP("making its domain", runtime::Domain::create(quota_pages, capability_slots, maximum_priority));
    constexpr abi::Rights rights = abi::DomainRight::Create | abi::DomainRight::Map | abi::DomainRight::Grant;
    STEP("giving it itself", grant_at(abi::WellKnownSlot::Self, domain(), rights));
    return {};
}

void Child::destroy() {
    for (abi::Selector slot : kept_) runtime::Capability{slot}.forget();
    kept_.clear();
    if (!domain_) return;
    // Busy means that another destruction runs; there is none but ours, so this ends.
    if (!domain_.destroy().ok()) domain_.forget();
    domain_ = {};
}

abi::Selector Child::reserve(uint32_t count) {
    const abi::Selector first = next_slot_;
    next_slot_ += count;
    return first;
}

abi::Result<abi::Selector> Child::grant(abi::Selector source, abi::Rights rights) {
    const abi::Selector slot = reserve();
    TRY(runtime::invoke(abi::CopyCapability{source, domain(), slot, rights}));
    return slot;
}

abi::Result<void> Child::grant_at(abi::Selector slot, abi::Selector source, abi::Rights rights) {
    static_cast<void>(runtime::invoke(abi::RemoveCapability{domain(), slot}));
    return runtime::invoke(abi::CopyCapability{source, domain(), slot, rights});
}

abi::Result<void> Child::grant_portal(abi::Selector slot, abi::Selector portal, uint64_t badge) {
    runtime::Portal derived = TRY(runtime::Portal{portal}.derive(badge, domain()));
    const auto granted = grant_at(slot, derived.selector(), abi::PortalRight::Call);
    derived.forget();
    return granted;
}

abi::Selector Child::keep(abi::Selector own_slot) {
    // Full: the slot is lost until init ends, which is harmless.
    static_cast<void>(kept_.push_back(own_slot));
    return own_slot;
}

bool add_name(protocol::StartupInformation& startup, std::string_view name, abi::Selector first, uint32_t count,
              abi::ObjectType type) {
    if (startup.capability_count >= protocol::max_named_capabilities) return false;
    protocol::NamedCapability& entry = startup.capabilities[startup.capability_count++];
    copy_text(name, entry.name, sizeof(entry.name));
    entry.first = first;
    entry.count = static_cast<uint16_t>(count);
    entry.type = type;
    return true;
}

void copy_text(std::string_view text, char* field, size_t capacity) {
    const size_t size = std::min(text.size(), capacity - 1);
    std::memcpy(field, text.data(), size);
    field[size] = 0;
}

}  // namespace bulkhead::init
