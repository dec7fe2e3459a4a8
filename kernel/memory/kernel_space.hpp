// SPDX-License-Identifier: Apache-2.0
// The kernel's half of the address space: built at boot, all of it by the bootstrap processor, and constant once there
// is the first domain. Every root table shares the tables under it. Nothing here is ever unmapped.
#pragma once

#include <atomic>
#include <span>

#include "base/range.hpp"
#include "kernel/arch/x86_64/features.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/memory/page_table.hpp"

namespace bulkhead::kernel {

/// Part of a PageTableMemory: entries through the direct map. Stores are releases: a walker that sees a link sees the
/// table behind it.
struct DirectMapMemory {
    static unsigned largest_page_level() { return cpu_features().pages_1g ? 2 : 1; }
    uint64_t read(PhysicalAddress entry) const {
        return std::atomic_ref{*direct_map<uint64_t>(entry)}.load(std::memory_order_relaxed);
    }
    void write(PhysicalAddress entry, uint64_t value) const {
        std::atomic_ref{*direct_map<uint64_t>(entry)}.store(value, std::memory_order_release);
    }
};

/// Builds the kernel's tables and loads them on this CPU. `ram` are the ranges of whole pages the direct
/// map shall show, none twice.
void build_kernel_space(std::span<const Range> ram);

/// The root table without user mappings: what idle CPUs run on.
PhysicalAddress kernel_root();
/// Fills a cleared page so that it can be the root of a user space: copies the kernel's entries.
void initialize_root_table(PhysicalAddress root);

/// Device registers, uncached: what follows them in their page. Null if the kernel has no page left.
volatile void* map_device(PhysicalAddress address);
/// Maps fresh cleared pages at [address, +size) of the CPU or task state regions; false if there are none.
[[nodiscard]] bool map_kernel_pages(uint64_t address, uint64_t size);

/// The image's place in physical memory.
Range image_range();

}  // namespace bulkhead::kernel
