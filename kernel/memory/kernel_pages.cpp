// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/kernel_pages.hpp"

#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/spin_lock.hpp"
#include "kernel/memory/page_allocator.hpp"

namespace bulkhead::kernel {
namespace {

constinit SpinLocked<PageAllocator> pool_allocator;

}  // namespace

void initialize_kernel_pages(const Range& pool) {
    const PhysicalAddress start{pool.start()};
    pool_allocator.lock()->initialize(start, pool.size() / page_size_bytes, direct_map<std::byte>(start));
}

std::optional<PhysicalAddress> allocate_pages(unsigned order) { return pool_allocator.lock()->allocate(order); }

std::optional<PhysicalAddress> allocate_cleared_page() {
    const auto page = allocate_pages();
    if (page) __builtin_memset(direct_map(*page), 0, page_size_bytes);
    return page;
}

void free_pages(PhysicalAddress address, unsigned order) { pool_allocator.lock()->free(address, order); }

uint64_t kernel_pages_free() { return pool_allocator.lock()->free_pages(); }

}  // namespace bulkhead::kernel
