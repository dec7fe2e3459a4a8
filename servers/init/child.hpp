// SPDX-License-Identifier: Apache-2.0
// A native domain that init has made: its capability space as far as init fills it, and what of init's own slots names
// things the domain owns. Main thread only.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/static_vector.hpp"
#include "protocol/startup.hpp"
#include "runtime/object.hpp"
#include "servers/init/problem.hpp"

namespace bulkhead::init {

class Child {
  public:
    static constexpr uint32_t capability_slots = 2048;

    Outcome create(uint64_t quota_pages, uint8_t maximum_priority);
    /// Destroys the domain and all it owns.
    void destroy();
    bool exists() const { return static_cast<bool>(domain_); }
    abi::Selector domain() const { return domain_.selector(); }

    /// Takes consecutive free slots of the domain.
    abi::Selector reserve(uint32_t count = 1);
    abi::Selector first_free_slot() const { return next_slot_; }
    /// Copies a capability of init's into a new slot; returns the slot.
    abi::Result<abi::Selector> grant(abi::Selector source, abi::Rights rights);
    /// Copies one into a given slot, in place of what was there.
    abi::Result<void> grant_at(abi::Selector slot, abi::Selector source, abi::Rights rights);
    /// Puts a portal with the badge, derived from init's `portal`, into a slot in place of what was there. The child
    /// owns it. Returns nothing that init would have to keep.
    abi::Result<void> grant_portal(abi::Selector slot, abi::Selector portal, uint64_t badge);
    /// An init slot that names something the child owns: freed when the child is destroyed.
    abi::Selector keep(abi::Selector own_slot);

    abi::Result<void> map(runtime::Memory memory, uint64_t address, uint64_t offset, uint64_t size, abi::Rights access,
                          abi::MemoryType type = abi::MemoryType::WriteBack) const {
        return memory.map(address, offset, size, access, domain(), type);
    }

  private:
    runtime::Domain domain_;
    abi::Selector next_slot_ = abi::WellKnownSlot::FirstFree;
    StaticVector<abi::Selector, 64> kept_;
};

/// Adds a name to a startup page; false if the page is full.
[[nodiscard]] bool add_name(protocol::StartupInformation& startup, std::string_view name, abi::Selector first,
                            uint32_t count, abi::ObjectType type);

/// Copies text into a field of fixed size, NUL-terminated; what does not fit is cut.
void copy_text(std::string_view text, char* field, size_t capacity);

}  // namespace bulkhead::init
