// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/kernel_pages.hpp"

#include <new>

#include "base/result.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/spin_lock.hpp"

namespace bulkhead::kernel {

void PageAllocator::initialize(PhysicalAddress start, uint64_t pages, void* window) {
    start_ = start;
    pages_ = pages;
    states_ = static_cast<uint8_t*>(window);
    const uint64_t state_pages = align_up(pages, page_size_bytes) / page_size_bytes;
    __builtin_memset(states_, mark(PageState::Inside, 0), pages);
    free_pages_ = pages - state_pages;
    // In large blocks from the start, so that no other page of the pool is touched.
    for (uint64_t page = state_pages; page < pages;) {
        unsigned order = 0;
        while (order < max_order && is_aligned(page, uint64_t{2} << order) && page + (uint64_t{2} << order) <= pages)
            ++order;
        insert(page, order);
        page += uint64_t{1} << order;
    }
}

std::optional<PhysicalAddress> PageAllocator::allocate(unsigned order) {
    for (unsigned available = order; available <= max_order; ++available) {
        if (free_[available].empty()) continue;
        const auto* block = reinterpret_cast<const uint8_t*>(free_[available].front());
        const uint64_t page = static_cast<uint64_t>(block - states_) / page_size_bytes;
        remove(page);
        // The upper halves go back until the block has the order wanted.
        while (available > order) {
            --available;
            insert(page + (uint64_t{1} << available), available);
        }
        states_[page] = mark(PageState::FirstUsed, order);
        free_pages_ -= uint64_t{1} << order;
        return start_ + page * page_size_bytes;
    }
    return std::nullopt;
}

void PageAllocator::free(PhysicalAddress address, unsigned order) {
    uint64_t page = (address - start_) / page_size_bytes;
    ASSERT(page < pages_ && states_[page] == mark(PageState::FirstUsed, order));
    free_pages_ += uint64_t{1} << order;
    states_[page] = mark(PageState::Inside, 0);
    for (; order < max_order; ++order) {
        const uint64_t buddy = page ^ (uint64_t{1} << order);
        if (buddy >= pages_ || states_[buddy] != mark(PageState::FirstFree, order)) break;
        remove(buddy);
        page &= ~(uint64_t{1} << order);
    }
    insert(page, order);
}

void PageAllocator::insert(uint64_t page, unsigned order) {
    free_[order].push_front(*new (block_at(page)) FreeBlock);
    states_[page] = mark(PageState::FirstFree, order);
}

void PageAllocator::remove(uint64_t page) {
    FreeList::remove(*block_at(page));
    states_[page] = mark(PageState::Inside, 0);
}

static constinit SpinLocked<PageAllocator> pool_allocator;

void initialize_kernel_pages(const Range& pool) {
    const PhysicalAddress start{pool.start()};
    pool_allocator.lock()->initialize(start, pool.size() / page_size_bytes, direct_map(start));
}

std::optional<PhysicalAddress> allocate_pages(unsigned order) {
    const std::optional<PhysicalAddress> pages = pool_allocator.lock()->allocate(order);
    if (pages) __builtin_memset(direct_map(*pages), 0, page_size_bytes << order);
    return pages;
}

void free_pages(PhysicalAddress address, unsigned order) { pool_allocator.lock()->free(address, order); }

uint64_t kernel_pages_free() { return pool_allocator.lock()->free_pages(); }

}  // namespace bulkhead::kernel
