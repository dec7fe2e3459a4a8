// SPDX-License-Identifier: Apache-2.0
// C++'s own names for the heap.
#include <new>

#include "base/result.hpp"
#include "runtime/heap.hpp"

namespace {
void* allocate_or_stop(std::size_t size, std::size_t alignment) {
    void* pointer = bulkhead::runtime::allocate(size, alignment);
    if (pointer == nullptr) bulkhead::assertion_failed("heap exhausted", __FILE__, __LINE__);
    return pointer;
}
}  // namespace

void* operator new(std::size_t size) { return allocate_or_stop(size, bulkhead::runtime::Heap::granule); }
void* operator new[](std::size_t size) { return allocate_or_stop(size, bulkhead::runtime::Heap::granule); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate_or_stop(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate_or_stop(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return bulkhead::runtime::allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return bulkhead::runtime::allocate(size); }
void operator delete(void* pointer) noexcept { bulkhead::runtime::release(pointer); }
void operator delete[](void* pointer) noexcept { bulkhead::runtime::release(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { bulkhead::runtime::release(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { bulkhead::runtime::release(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { bulkhead::runtime::release(pointer); }
void operator delete[](void* pointer, std::align_val_t) noexcept { bulkhead::runtime::release(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept { bulkhead::runtime::release(pointer); }
void operator delete[](void* pointer, std::size_t, std::align_val_t) noexcept { bulkhead::runtime::release(pointer); }
