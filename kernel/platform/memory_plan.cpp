// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/memory_plan.hpp"

namespace bulkhead::kernel {
namespace {

constexpr uint64_t first_mib = 1u << 20;
constexpr uint64_t boot_tables_end = uint64_t{4} << 30;  // what boot.S maps
constexpr uint64_t pool_alignment = 2u << 20;

Range whole_pages(const Range& range) {
    return Range::between(align_down(range.start(), page_size_bytes), align_up(range.end(), page_size_bytes));
}

/// The pool: the top of the largest free range below 4 GiB, so that the low end stays for devices that need it.
Range choose_pool(const BootRegions& free, uint64_t ram_bytes) {
    Range largest;
    for (const Range& range : free) {
        const Range low = Range::between(range.start(), std::min(range.end(), boot_tables_end));
        if (low.size() > largest.size()) largest = low;
    }
    const uint64_t wanted =
        std::clamp(ram_bytes / PoolPolicy::share_of_ram, PoolPolicy::minimum_bytes, PoolPolicy::maximum_bytes);
    const uint64_t end = align_down(largest.end(), pool_alignment);
    if (end < largest.start() || end - largest.start() < PoolPolicy::minimum_bytes) return {};
    const uint64_t size = align_down(std::min(wanted, end - largest.start()), pool_alignment);
    return Range::between(end - size, end);
}

}  // namespace

std::optional<MemoryPlan> plan_memory(const MultibootInformation& multiboot, const Range& image,
                                      std::span<const Range> controllers, unsigned physical_address_bits) {
    MemoryPlan plan;
    plan.free = multiboot.available;
    plan.free.subtract(Range::between(0, first_mib));
    plan.free.subtract(image);
    for (const BootModule& module : multiboot.modules) plan.free.subtract(whole_pages(module.physical));
    plan.free.round_to_pages();
    plan.kernel_pool = choose_pool(plan.free, multiboot.available.total_bytes());
    if (plan.kernel_pool.empty()) return std::nullopt;
    plan.free.subtract(plan.kernel_pool);
    plan.free.sort_largest_first();

    for (const Range& range : multiboot.available) plan.direct_map.add(whole_pages(range));
    for (const Range& range : multiboot.firmware) plan.direct_map.add(whole_pages(range));
    plan.direct_map.subtract(image);

    plan.devices.add(Range::between(0, uint64_t{1} << physical_address_bits));
    for (const Range& range : multiboot.available)
        plan.devices.subtract(Range::between(std::max(range.start(), first_mib), range.end()));
    for (const Range& range : controllers) plan.devices.subtract(range);
    plan.devices.round_to_pages();
    plan.devices.sort_largest_first();
    return plan;
}

}  // namespace bulkhead::kernel
