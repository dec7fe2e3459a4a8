// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/kernel_space.hpp"

#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/platform/halt.hpp"

namespace bulkhead::kernel {
namespace {

using x86::PageAccess;

extern "C" const char image_physical_start[], text_start[], text_end[], rodata_end[], image_end[];

constinit PhysicalAddress root_table;
constinit uint64_t next_device_page = device_region_base;

/// Tables of the kernel's half come from the pool and stay.
struct KernelTables : DirectMapMemory {
    std::optional<PhysicalAddress> allocate() { return allocate_pages(); }
    void release(PhysicalAddress page) { free_pages(page); }
};

[[nodiscard]] bool map(uint64_t virtual_address, PhysicalAddress physical, uint64_t size, PageAccess access) {
    access.kernel = true;
    PageTable<x86::HostPageFormat, KernelTables> table{root_table, {}};
    return !table.map(virtual_address, physical, size, access, UINT32_MAX).exhausted;
}

void map_or_refuse(uint64_t virtual_address, PhysicalAddress physical, uint64_t size, PageAccess access) {
    if (!map(virtual_address, physical, size, access)) refuse_machine("too little memory for the kernel's page tables");
}

void map_image_part(const char* start, const char* end, PageAccess access) {
    const auto address = reinterpret_cast<uint64_t>(start);
    map_or_refuse(address, PhysicalAddress{address - image_base}, static_cast<uint64_t>(end - start), access);
}

}  // namespace

Range image_range() {
    const auto start = reinterpret_cast<uint64_t>(image_physical_start);
    return *Range::create(start, reinterpret_cast<uint64_t>(image_end) - image_base - start);
}

void build_kernel_space(std::span<const Range> ram) {
    root_table = *allocate_pages();  // the first page of the pool
    // Text is executable, not writable; data is writable, not executable; constants are neither.
    map_image_part(text_start, text_end, {.execute = true});
    map_image_part(text_end, rodata_end, {});
    map_image_part(rodata_end, image_end, {.write = true});
    for (const Range& range : ram) {
        const PhysicalAddress start{range.start()};
        map_or_refuse(direct_map_base + range.start(), start, range.size(), {.write = true});
    }
    write_cr3(root_table.value());
}

PhysicalAddress kernel_root() { return root_table; }

void initialize_root_table(PhysicalAddress root) {
    constexpr uint64_t half = page_size_bytes / 2;
    __builtin_memcpy(direct_map(root + half), direct_map(root_table + half), half);
}

volatile void* map_device(PhysicalAddress address) {
    const uint64_t at = next_device_page;
    if (!map(at, address.align_down(page_size_bytes), page_size_bytes, {.write = true, .uncached = true}))
        return nullptr;
    next_device_page += page_size_bytes;
    return reinterpret_cast<volatile void*>(at + address.page_offset());
}

bool map_kernel_pages(uint64_t address, uint64_t size) {
    for (uint64_t done = 0; done < size; done += page_size_bytes) {
        const auto page = allocate_pages();
        if (!page || !map(address + done, *page, page_size_bytes, {.write = true})) return false;
    }
    return true;
}

}  // namespace bulkhead::kernel
