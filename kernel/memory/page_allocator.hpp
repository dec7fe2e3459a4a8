// SPDX-License-Identifier: Apache-2.0
// Buddy allocator over the kernel's pool of physical pages. Blocks are 2^order pages, naturally aligned within the
// pool. One byte per page, at the start of the pool, says what the page is; free blocks are linked through themselves.
// Not synchronised; kernel_pages.hpp has the one instance, under its lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/address.hpp"

namespace bulkhead::kernel {

class PageAllocator {
  public:
    static constexpr unsigned max_order = 10;

    constexpr PageAllocator() = default;
    PageAllocator(const PageAllocator&) = delete;
    PageAllocator& operator=(const PageAllocator&) = delete;

    /// Takes over [start, + pages), which is seen at `window`.
    void initialize(PhysicalAddress start, uint64_t pages, std::byte* window);

    /// 2^order pages with undefined content, or nothing if no block is left.
    std::optional<PhysicalAddress> allocate(unsigned order = 0);
    void free(PhysicalAddress address, unsigned order = 0);

    uint64_t free_pages() const { return free_pages_; }

  private:
    struct Link {
        Link* next;
        Link* previous;
    };
    enum class PageState : uint8_t { Inside, FirstFree, FirstUsed };  // + order in the upper bits

    static constexpr uint8_t mark(PageState state, unsigned order) {
        return static_cast<uint8_t>(static_cast<uint8_t>(state) | order << 2);
    }
    Link* link_of(uint64_t page) const { return reinterpret_cast<Link*>(window_ + page * page_size_bytes); }
    uint64_t page_of(const Link* link) const {
        return static_cast<uint64_t>(reinterpret_cast<const std::byte*>(link) - window_) / page_size_bytes;
    }
    void insert(uint64_t page, unsigned order);
    void remove(uint64_t page, unsigned order);
    uint64_t split(uint64_t page, unsigned from, unsigned to);

    PhysicalAddress start_;
    uint64_t pages_ = 0;
    uint64_t free_pages_ = 0;
    std::byte* window_ = nullptr;
    uint8_t* states_ = nullptr;
    Link* free_[max_order + 1]{};
};

}  // namespace bulkhead::kernel
