// SPDX-License-Identifier: Apache-2.0
// Kernel memory of one domain: whole pages charged to its quota, and objects of a few sizes carved out of pages. All
// of it goes back when the domain dies. Concurrency: under the configuration lock.
#pragma once

#include "abi/status.hpp"
#include "base/address.hpp"

namespace bulkhead::kernel {

class ObjectHeap {
  public:
    /// From the beginning on, this is what it has to spend.
    void set_quota(uint64_t pages) { free_pages_ = quota_pages_ = pages; }

    uint64_t free_pages() const { return free_pages_; }
    uint64_t quota_pages() const { return quota_pages_; }

    /// Takes pages out of the quota without allocating: the split for a child domain.
    [[nodiscard]] bool reserve(uint64_t pages) {
        if (pages > free_pages_) return false;
        free_pages_ -= pages;
        return true;
    }
    void unreserve(uint64_t pages) { free_pages_ += pages; }

    /// 2^order zeroed, physically contiguous pages.
    abi::Result<void*> allocate_pages(unsigned order);
    /// Does nothing for null.
    void free_pages(void* pages, unsigned order);

    /// Memory for an object of at most `maximum_object_bytes`, aligned to 64 bytes.
    abi::Result<void*> allocate(size_t size);
    void free(void* object);
    /// Gives back a bounded part of the pages objects were carved from, free or not; true when none is left.
    [[nodiscard]] bool release_some();

    static constexpr size_t maximum_object_bytes = page_size_bytes - 64;

  private:
    struct FreeObject {
        FreeObject* next;
    };
    struct alignas(64) PageHeader {
        PageHeader* next;
        unsigned size_class;  // of the objects behind it
    };
    /// Multiples of 64 that waste little of the 4032 bytes behind a page's header.
    static constexpr size_t class_bytes[] = {64, 128, 192, 256, 384, 576, 960, 1984, maximum_object_bytes};

    uint64_t free_pages_ = 0;
    uint64_t quota_pages_ = 0;
    PageHeader* pages_ = nullptr;
    FreeObject* free_objects_[sizeof class_bytes / sizeof *class_bytes] = {};
};

}  // namespace bulkhead::kernel
