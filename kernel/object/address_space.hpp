// SPDX-License-Identifier: Apache-2.0
// The address space of a domain: host page tables for a native one, nested or extended page tables for a guest, and the
// list of what is mapped. Tables and records are paid by the domain.
//
// Concurrency: changed under the configuration lock; the processors walk the tables at any time.
#pragma once

#include "abi/calls.hpp"
#include "base/intrusive_list.hpp"
#include "base/range.hpp"
#include "hw/x86/page_table_entry.hpp"
#include "kernel/object/configuration_lock.hpp"
#include "kernel/object/object_heap.hpp"

namespace bulkhead::kernel {

class AddressSpace;
class MemoryObject;

/// One mapped range: of a memory object, or, without one, a page of the kernel's (message buffer, stub page). While it
/// is made it grows at its end, while it is removed it shrinks from its start.
class Mapping {
  public:
    explicit Mapping(const Range& range, MemoryObject* memory = nullptr) : range_{range}, memory_{memory} {}

    AddressSpace* space() const { return space_; }

  private:
    friend class AddressSpace;
    friend class MemoryObject;

    Range range_;
    MemoryObject* memory_;
    AddressSpace* space_ = nullptr;
    ListHook<Mapping> space_hook_;
    ListHook<Mapping> memory_hook_;
};

class AddressSpace {
  public:
    enum class Format : uint8_t { Host, Nested, Extended };  // Nested tables are like the host's

    explicit AddressSpace(ObjectHeap& heap) : heap_{heap} {}

    /// Makes the root table, for a host space with the kernel's half.
    abi::Result<void> create(Format format);
    /// Gives all tables back. Nothing is mapped any more and no CPU has it loaded.
    void destroy();

    PhysicalAddress root() const { return root_; }
    bool is_guest() const { return format_ != Format::Host; }
    /// Grows with every flush: a vCPU whose CPU saw an older one flushes its tagged translations before it enters.
    uint64_t flush_generation() const { return flush_generation_; }

    /// Begins to map a memory object's [offset, + range.size()) at `range`, both page-aligned: all of it or nothing.
    abi::Result<void> map(const Range& range, MemoryObject& memory, uint64_t offset, x86::PageAccess access);
    /// Begins to remove the mapping of a memory object that starts at `address`.
    abi::Result<void> unmap(uint64_t address);
    /// Does a bounded part of removing a mapping. When it is gone (true), so are its translations on all CPUs. With
    /// one page, once is enough.
    [[nodiscard]] bool remove(Mapping& mapping);
    /// Some mapping of a memory object, or null.
    Mapping* any_mapping() const;

    /// Maps a page of the kernel's into a native space, read-only or writable, for as long as `mapping` lives.
    abi::Result<void> map_kernel_page(Mapping& mapping, PhysicalAddress page, x86::PageAccess access);

  private:
    friend struct AsmOffsets;
    struct Tables;
    template <typename Function>
    auto with_table(Function function);
    bool extend(Mapping& mapping, uint64_t end, PhysicalAddress physical, x86::PageAccess access);
    Mapping* position_for(uint64_t start) const;
    abi::Result<void> check(const Range& range) const;
    void insert(Mapping& mapping);
    void flush();

    ObjectHeap& heap_;
    Format format_ = Format::Host;
    PhysicalAddress root_;
    uint64_t flush_generation_ = 0;
    PhysicalAddress retired_;  // tables that left the tree and wait for the flush, linked through their first words
    mutable IntrusiveList<Mapping, &Mapping::space_hook_> mappings_;  // by address
};

}  // namespace bulkhead::kernel
