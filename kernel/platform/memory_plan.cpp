// SPDX-License-Identifier: Apache-2.0
// Who gets which physical memory: computed from firmware's map before anything is allocated.
#include "kernel/platform/boot_information.hpp"

namespace bulkhead::kernel {
namespace {

constexpr uint64_t first_mib = 1u << 20;
constexpr uint64_t pool_alignment = 2u << 20;
constexpr uint64_t pool_minimum = 16u << 20;
constexpr uint64_t pool_maximum = 512u << 20;
constexpr uint64_t pool_share_of_ram = 16;  // in between

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
    const uint64_t end = align_down(largest.end(), pool_alignment);
    if (end < largest.start() + pool_minimum) return {};
    const uint64_t wanted = std::clamp(ram_bytes / pool_share_of_ram, pool_minimum, pool_maximum);
    return Range::between(end - align_down(std::min(wanted, end - largest.start()), pool_alignment), end);
}

}  // namespace

bool plan_memory(BootInformation& boot, const Range& image, unsigned physical_address_bits) {
    boot.free = boot.multiboot.available;
    boot.free.subtract(Range::between(0, first_mib));
    boot.free.subtract(image);
    for (const BootModule& module : boot.multiboot.modules) boot.free.subtract(whole_pages(module.physical));
    boot.free.round_to_pages();
    boot.kernel_pool = choose_pool(boot.free, boot.multiboot.available.total_bytes());
    boot.free.subtract(boot.kernel_pool);
    boot.free.sort_largest_first();

    boot.devices.add(Range::between(0, uint64_t{1} << physical_address_bits));
    for (const Range& range : boot.multiboot.available) {
        boot.direct_map.add(whole_pages(range));
        boot.devices.subtract(Range::between(std::max(range.start(), first_mib), range.end()));
    }
    boot.direct_map.subtract(image);
    const auto keep_page = [&](uint64_t address) {
        boot.devices.subtract(whole_pages(Range::between(address, address + 1)));
    };
    keep_page(boot.acpi.local_apic.value());
    for (const auto& io_apic : boot.acpi.io_apics) keep_page(io_apic.address);
    boot.devices.round_to_pages();
    boot.devices.sort_largest_first();
    return !boot.kernel_pool.empty();
}

}  // namespace bulkhead::kernel
