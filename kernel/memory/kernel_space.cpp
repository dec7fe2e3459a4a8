// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/kernel_space.hpp"

#include <climits>

#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/spin_lock.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/platform/halt.hpp"

namespace bulkhead::kernel {
namespace {

using x86::HostPageFormat;
using x86::PageAccess;

constexpr unsigned root_entries = 512;
constexpr unsigned first_kernel_entry = root_entries / 2;

extern "C" const char image_physical_start[], text_start[], text_end[], rodata_end[], image_end[];

/// Tables of the kernel's half come from the pool and stay.
struct KernelTableSource {
    std::optional<PhysicalAddress> allocate() { return allocate_cleared_page(); }
    void release(PhysicalAddress page) { free_pages(page); }
    void retire(PhysicalAddress page) { free_pages(page); }
};

struct KernelSpace {
    PhysicalAddress root;
    uint64_t next_device_page = device_region_base;
    KernelTableSource source;

    auto table() { return PageTable{root, page_format<HostPageFormat>(), DirectMapMemory{}, source}; }

    [[nodiscard]] bool map(uint64_t virtual_address, PhysicalAddress physical, uint64_t size, PageAccess access) {
        return !table().map(virtual_address, physical, size, access, UINT_MAX).exhausted;
    }
};

constinit SpinLocked<KernelSpace> space;

constexpr const char* too_little_memory = "too little memory for the kernel's page tables";

PhysicalAddress make_table_at_boot() {
    const auto table = allocate_cleared_page();
    if (!table) refuse_machine(too_little_memory);
    return *table;
}

void map_at_boot(uint64_t virtual_address, PhysicalAddress physical, uint64_t size, PageAccess access) {
    if (!space.unlocked().map(virtual_address, physical, size, access)) refuse_machine(too_little_memory);
}

/// Text is executable, not writable; data is writable, not executable; constants are neither.
void map_image() {
    const auto map_part = [](const char* start, const char* end, PageAccess access) {
        const auto address = reinterpret_cast<uint64_t>(start);
        map_at_boot(address, PhysicalAddress{address - image_base}, static_cast<uint64_t>(end - start), access);
    };
    map_part(text_start, text_end, {.execute = true, .global = true});
    map_part(text_end, rodata_end, {.global = true});
    map_part(rodata_end, image_end, {.write = true, .global = true});
}

/// Gives the regions that grow later their entry in the root table now, before roots are copied.
void fill_root_entries() {
    for (const uint64_t base : {cpu_region_base, task_state_region_base, device_region_base}) {
        const PhysicalAddress entry = kernel_root() + (base >> 39) % root_entries * sizeof(uint64_t);
        DirectMapMemory{}.write(entry, HostPageFormat::make_table(make_table_at_boot()));
    }
}

}  // namespace

Range image_range() {
    const auto start = reinterpret_cast<uint64_t>(image_physical_start);
    return *Range::create(start, reinterpret_cast<uint64_t>(image_end) - image_base - start);
}

void build_kernel_space(std::span<const Range> ram) {
    space.unlocked().root = make_table_at_boot();
    map_image();
    for (const Range& range : ram) {
        const PhysicalAddress start{range.start()};
        map_at_boot(direct_map_base + range.start(), start, range.size(), {.write = true, .global = true});
    }
    fill_root_entries();
    write_cr3(kernel_root().value());
}

PhysicalAddress kernel_root() { return space.unlocked().root; }

void initialize_root_table(PhysicalAddress root) {
    const DirectMapMemory memory;
    for (unsigned i = first_kernel_entry; i < root_entries; ++i) {
        const uint64_t offset = i * sizeof(uint64_t);
        memory.write(root + offset, memory.read(kernel_root() + offset));
    }
}

volatile void* map_device(PhysicalAddress address, uint64_t size) {
    const PhysicalAddress start = address.align_down(page_size_bytes);
    const uint64_t bytes = (address + size).align_up(page_size_bytes) - start;
    const auto guard = space.lock();
    const uint64_t at = guard->next_device_page;
    const PageAccess access{.write = true, .global = true, .cache = x86::CacheMode::Uncached};
    if (!guard->map(at, start, bytes, access)) return nullptr;
    guard->next_device_page += bytes + page_size_bytes;
    return reinterpret_cast<volatile void*>(at + address.page_offset());
}

bool map_kernel_pages(uint64_t address, uint64_t size) {
    const auto guard = space.lock();
    for (uint64_t done = 0; done < size; done += page_size_bytes) {
        const auto page = allocate_cleared_page();
        if (!page) return false;
        if (!guard->map(address + done, *page, page_size_bytes, {.write = true, .global = true})) {
            free_pages(*page);
            return false;
        }
    }
    return true;
}

}  // namespace bulkhead::kernel
