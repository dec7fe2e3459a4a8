// SPDX-License-Identifier: Apache-2.0
// The kernel's pool of pages: everything the kernel allocates comes from here, so the pool's size bounds the kernel.
// Any CPU; one lock inside. Who pays (the quota) is decided by the callers.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.hpp"
#include "base/range.hpp"

namespace bulkhead::kernel {

/// Once, on the bootstrap processor, while the direct map or the boot tables show the pool.
void initialize_kernel_pages(const Range& pool);

/// 2^order pages (order at most PageAllocator::max_order), aligned to their size within the pool, content undefined.
std::optional<PhysicalAddress> allocate_pages(unsigned order = 0);
/// One page of zeroes.
std::optional<PhysicalAddress> allocate_cleared_page();
void free_pages(PhysicalAddress address, unsigned order = 0);

uint64_t kernel_pages_free();

}  // namespace bulkhead::kernel
