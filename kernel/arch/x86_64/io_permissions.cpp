// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/io_permissions.hpp"

#include <cstring>
#include <new>

#include "base/scope_guard.hpp"

namespace bulkhead::kernel {

namespace {
uint64_t next_version = 1;  // one sequence for all, so that a new owner at an old address is told apart
}

abi::Result<IoPermissions*> IoPermissions::create(ObjectHeap& heap) {
    void* bitmap = TRY(heap.allocate_pages(bitmap_order));
    ScopeGuard free_bitmap{[&] { heap.free_pages(bitmap, bitmap_order); }};
    void* memory = TRY(heap.allocate(sizeof(IoPermissions)));
    free_bitmap.dismiss();
    std::memset(bitmap, 0xff, TaskState::bitmap_bytes);
    auto* permissions = new (memory) IoPermissions{static_cast<uint8_t*>(bitmap)};
    permissions->version_ = next_version++;
    return permissions;
}

void IoPermissions::destroy(ObjectHeap& heap) {
    heap.free_pages(bitmap_, bitmap_order);
    heap.free(this);
}

void IoPermissions::change(uint16_t first, uint32_t count, bool forbid) {
    for (uint32_t port = first; port < first + count; ++port) {
        const auto mask = static_cast<uint8_t>(1u << port % 8);
        uint8_t& byte = bitmap_[port / 8];
        byte = static_cast<uint8_t>(forbid ? byte | mask : byte & ~mask);
    }
    version_ = next_version++;
}

}  // namespace bulkhead::kernel
