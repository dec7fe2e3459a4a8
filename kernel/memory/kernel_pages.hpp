// SPDX-License-Identifier: Apache-2.0
// The kernel's pool of pages: everything the kernel allocates comes from here, so the pool's size bounds the kernel.
// Any CPU; one lock inside. Who pays (the quota) is decided by the callers.
#pragma once

#include "base/address.hpp"
#include "base/intrusive_list.hpp"
#include "base/range.hpp"

namespace bulkhead::kernel {

/// Buddy allocator. Blocks are 2^order pages, naturally aligned within the pool. One byte per page, at the start of the
/// pool, says what the page is; free blocks are linked through themselves. Not synchronised.
class PageAllocator {
  public:
    static constexpr unsigned max_order = 10;

    /// Takes over [start, + pages), which is seen at `window`.
    void initialize(PhysicalAddress start, uint64_t pages, void* window);

    /// 2^order pages with undefined content, or nothing if no block is left.
    std::optional<PhysicalAddress> allocate(unsigned order = 0);
    void free(PhysicalAddress address, unsigned order = 0);

    uint64_t free_pages() const { return free_pages_; }

  private:
    struct FreeBlock {
        ListHook<FreeBlock> hook;
    };
    using FreeList = IntrusiveList<FreeBlock, &FreeBlock::hook>;
    enum class PageState : uint8_t { Inside, FirstFree, FirstUsed };  // + order in the upper bits

    static constexpr uint8_t mark(PageState state, unsigned order) {
        return static_cast<uint8_t>(static_cast<uint8_t>(state) | order << 2);
    }
    FreeBlock* block_at(uint64_t page) const { return reinterpret_cast<FreeBlock*>(states_ + page * page_size_bytes); }
    void insert(uint64_t page, unsigned order);
    void remove(uint64_t page);

    PhysicalAddress start_;
    uint64_t pages_ = 0;
    uint64_t free_pages_ = 0;
    uint8_t* states_ = nullptr;  // and where the pool is seen
    FreeList free_[max_order + 1];
};

/// Once, on the bootstrap processor, while the direct map or the boot tables show the pool.
void initialize_kernel_pages(const Range& pool);

/// 2^order pages of zeroes (order at most PageAllocator::max_order), aligned to their size within the pool.
std::optional<PhysicalAddress> allocate_pages(unsigned order = 0);
void free_pages(PhysicalAddress address, unsigned order = 0);

uint64_t kernel_pages_free();

}  // namespace bulkhead::kernel
