// SPDX-License-Identifier: Apache-2.0
// A contiguous range of physical memory, RAM or device registers. Parts can be derived: as windows (Share), or for
// exclusive use, cleared before anybody sees them. It knows where it is mapped, so destroying it unmaps it everywhere.
//
// Concurrency: under the configuration lock.
#pragma once

#include <cstdint>

#include "base/address.hpp"
#include "base/range.hpp"
#include "kernel/object/address_space.hpp"
#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

class MemoryObject final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::MemoryObject;

    enum class Kind : uint8_t { Ram, Device };

    MemoryObject(Domain& owner, Object* source, const Range& physical, Kind kind, bool shared)
        : Object{object_type, &owner, source}, physical_{physical}, kind_{kind}, shared_{shared} {}

    PhysicalAddress start() const { return PhysicalAddress{physical_.start()}; }
    uint64_t bytes() const { return physical_.size(); }
    Kind kind() const { return kind_; }
    /// Whether it is a window on memory that others have too.
    bool shared() const { return shared_; }

    /// Whether `part`, in physical addresses, may be derived for exclusive use.
    bool free_for_exclusive_use(const Range& part);
    /// Whether it overlaps nothing that is derived for exclusive use.
    bool free_for_sharing(const Range& part);
    /// The physical range of [offset, + size), or nothing if it is not inside or not page-aligned.
    std::optional<Range> part(uint64_t offset, uint64_t size) const;
    /// Fills RAM with zeroes from `offset` on, a bounded part; returns where it stopped.
    uint64_t clear(uint64_t offset);

    bool dismantle() override;
    size_t size_bytes() const override { return sizeof *this; }

  private:
    friend class AddressSpace;

    Range physical_;
    Kind kind_;
    bool shared_;
    IntrusiveList<Mapping, &Mapping::memory_hook_> mappings_;
};

}  // namespace bulkhead::kernel
