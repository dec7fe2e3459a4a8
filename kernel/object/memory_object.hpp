// SPDX-License-Identifier: Apache-2.0
// A contiguous range of physical memory, RAM or device registers. Parts can be derived: as windows (`share`), or for
// exclusive use, cleared before anybody sees them. It knows where it is mapped, so destroying it unmaps it everywhere.
//
// Concurrency: under the configuration lock.
#pragma once

#include <cstring>

#include "kernel/arch/x86_64/layout.hpp"
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

    /// Whether `part`, in physical addresses, may be derived: it overlaps nothing that is, and a window no more than
    /// other windows.
    bool can_derive(const Range& part, bool share) const {
        for (const Object& object : derived()) {
            const auto& other = static_cast<const MemoryObject&>(object);
            if (other.physical_.overlaps(part) && !(share && other.shared_)) return false;
        }
        return true;
    }
    /// The physical range of [offset, + size), or nothing if it is not inside or not page-aligned.
    std::optional<Range> part(uint64_t offset, uint64_t size) const {
        const std::optional<Range> range = Range::create(offset, size);
        if (!range || size == 0 || !is_aligned(offset | size, page_size_bytes) || range->end() > bytes())
            return std::nullopt;
        return Range::create(physical_.start() + offset, size);
    }
    /// Fills RAM with zeroes from `offset` on, a bounded part; returns where it stopped.
    uint64_t clear(uint64_t offset) {
        const uint64_t size = std::min(bytes() - offset, 16 * page_size_bytes);
        std::memset(direct_map(start() + offset), 0, size);
        return offset + size;
    }

    bool dismantle() override {
        Mapping* mapping = mappings_.front();
        return mapping == nullptr || (mapping->space()->remove(*mapping) && mappings_.empty());
    }

  private:
    friend class AddressSpace;

    Range physical_;
    Kind kind_;
    bool shared_;
    IntrusiveList<Mapping, &Mapping::memory_hook_> mappings_;
};

}  // namespace bulkhead::kernel
