// SPDX-License-Identifier: Apache-2.0
// Who gets which physical memory. Pure: computed from firmware's map before anything is allocated.
#pragma once

#include "kernel/platform/multiboot2.hpp"

namespace bulkhead::kernel {

/// The smallest and largest pool the kernel takes, and its share of RAM in between.
struct PoolPolicy {
    static constexpr uint64_t minimum_bytes = 16u << 20;
    static constexpr uint64_t maximum_bytes = 512u << 20;
    static constexpr uint64_t share_of_ram = 16;
};

struct MemoryPlan {
    Range kernel_pool;
    BootRegions free;        // whole pages for the root task, largest first
    BootRegions direct_map;  // what the kernel maps: all pages with RAM, without its own image
    BootRegions devices;     // what is not RAM, largest first
};

/// `image` is the kernel's, `controllers` are register pages the kernel keeps to itself. Nothing if no pool can be
/// found.
std::optional<MemoryPlan> plan_memory(const MultibootInformation& multiboot, const Range& image,
                                      std::span<const Range> controllers, unsigned physical_address_bits);

}  // namespace bulkhead::kernel
