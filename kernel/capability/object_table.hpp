// SPDX-License-Identifier: Apache-2.0
// The kernel-global table of objects. A capability names an entry and the generation it had; an entry whose object
// died has another generation, so stale capabilities are harmless and looking one up takes two loads and no lock
// (architecture.md section 2). The table is never used for anything else and never moves.
//
// Concurrency: `find` from any CPU at any time. `insert` and `remove` under the configuration lock. What `find`
// returned stays allocated until the CPU leaves the kernel (kernel/object/graveyard.cpp).
#pragma once

#include <atomic>

#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

/// The table's entries; a name the hand-laid paths can use.
extern "C" std::atomic<uint64_t>* object_table_entries;

class ObjectTable {
  public:
    /// Allocates the table from the kernel's page pool, about one entry for 512 bytes of the pool. Boot only.
    static void initialise();

    /// Enters an object and returns a capability word for it with all rights. Fails with OutOfMemory if the table
    /// is full.
    static abi::Result<uint64_t> insert(Object& object);
    /// Makes all capabilities of the object stale.
    static void remove(Object& object);
    /// The object a capability word names, or null if the word is empty or stale.
    [[gnu::always_inline]] static Object* find(uint64_t word) {
        uint32_t index = abi::CapabilityWord::Index::read(word);
        uint64_t entry = object_table_entries[index].load(std::memory_order_acquire);
        if (Generation::read(entry) != abi::CapabilityWord::Generation::read(word)) return nullptr;
        return reinterpret_cast<Object*>(static_cast<int64_t>(entry << 22) >> 16);
    }

    /// The live object of type T (`Object`: of any type) that a capability word names, if it carries the rights.
    template <typename T>
    static abi::Result<T*> lookup(uint64_t word, abi::Rights rights) {
        Object* object = find(word);
        if (object == nullptr) return abi::Status::BadCapability;
        if constexpr (!std::is_same_v<T, Object>) {
            if (object->type() != T::object_type) return abi::Status::WrongType;
        }
        if ((abi::CapabilityWord::RightsField::read(word) & rights) != rights) return abi::Status::MissingRight;
        return static_cast<T*>(object);
    }

    /// An entry: the generation, and bits 6..47 of the object's address, whose upper bits repeat bit 47; in a free
    /// entry the index of the next free one instead. Entry 0 and generation 0 are never used.
    using Location = BitField<0, 42>;
    using Generation = BitField<42, 22>;

  private:
    static constexpr unsigned location_shift = 6;

    static inline uint32_t first_free_ = 0;
};

}  // namespace bulkhead::kernel
