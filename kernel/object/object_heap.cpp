// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/object_heap.hpp"

#include <cstring>

#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/memory/kernel_pages.hpp"

namespace bulkhead::kernel {

abi::Result<void*> ObjectHeap::allocate_pages(unsigned order) {
    if (!reserve(uint64_t{1} << order)) return abi::Status::OutOfMemory;
    const std::optional<PhysicalAddress> pages = kernel::allocate_pages(order);
    if (!pages) {
        unreserve(uint64_t{1} << order);
        return abi::Status::OutOfMemory;
    }
    return direct_map(*pages);
}

void ObjectHeap::free_pages(void* pages, unsigned order) {
    if (pages == nullptr) return;
    kernel::free_pages(physical_of(pages), order);
    unreserve(uint64_t{1} << order);
}

abi::Result<void*> ObjectHeap::allocate(size_t size) {
    ASSERT(size <= maximum_object_bytes);
    unsigned index = 0;
    while (class_bytes[index] < size) ++index;
    const size_t bytes = class_bytes[index];
    if (free_objects_[index] == nullptr) {
        std::byte* page = static_cast<std::byte*>(TRY(allocate_pages(0)));
        pages_ = new (page) PageHeader{pages_, index};
        for (size_t offset = sizeof(PageHeader); offset + bytes <= page_size_bytes; offset += bytes)
            free_objects_[index] = new (page + offset) FreeObject{free_objects_[index]};
    }
    FreeObject* object = free_objects_[index];
    free_objects_[index] = object->next;
    std::memset(static_cast<void*>(object), 0, bytes);
    return static_cast<void*>(object);
}

void ObjectHeap::free(void* object) {
    const uint64_t page = align_down(reinterpret_cast<uint64_t>(object), page_size_bytes);
    FreeObject*& first = free_objects_[reinterpret_cast<const PageHeader*>(page)->size_class];
    first = new (object) FreeObject{first};
}

bool ObjectHeap::release_some() {
    for (FreeObject*& first : free_objects_) first = nullptr;
    for (unsigned budget = 64; budget > 0 && pages_ != nullptr; --budget) {
        PageHeader* page = pages_;
        pages_ = page->next;
        free_pages(page, 0);
    }
    return pages_ == nullptr;
}

}  // namespace bulkhead::kernel
