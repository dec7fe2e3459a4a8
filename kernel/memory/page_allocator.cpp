// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/page_allocator.hpp"

#include "base/result.hpp"

namespace bulkhead::kernel {

void PageAllocator::initialize(PhysicalAddress start, uint64_t pages, std::byte* window) {
    start_ = start;
    pages_ = pages;
    window_ = window;
    states_ = reinterpret_cast<uint8_t*>(window);
    const uint64_t state_pages = align_up(pages, page_size_bytes) / page_size_bytes;
    __builtin_memset(states_, mark(PageState::Inside, 0), pages);
    free_pages_ = pages - state_pages;
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
        if (free_[available] == nullptr) continue;
        const uint64_t page = page_of(free_[available]);
        remove(page, available);
        states_[split(page, available, order)] = mark(PageState::FirstUsed, order);
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
        remove(buddy, order);
        page &= ~(uint64_t{1} << order);
    }
    insert(page, order);
}

/// Gives the upper halves back until the block has the order wanted; returns the block.
uint64_t PageAllocator::split(uint64_t page, unsigned from, unsigned to) {
    while (from > to) {
        --from;
        insert(page + (uint64_t{1} << from), from);
    }
    return page;
}

void PageAllocator::insert(uint64_t page, unsigned order) {
    Link* link = link_of(page);
    *link = {.next = free_[order], .previous = nullptr};
    if (link->next != nullptr) link->next->previous = link;
    free_[order] = link;
    states_[page] = mark(PageState::FirstFree, order);
}

void PageAllocator::remove(uint64_t page, unsigned order) {
    Link* link = link_of(page);
    if (link->next != nullptr) link->next->previous = link->previous;
    (link->previous != nullptr ? link->previous->next : free_[order]) = link->next;
    states_[page] = mark(PageState::Inside, 0);
}

}  // namespace bulkhead::kernel
