// SPDX-License-Identifier: Apache-2.0
#include "runtime/heap.hpp"

#include "base/address.hpp"

namespace bulkhead::runtime {

void Heap::initialize(void* region, size_t size) {
    const uint64_t start = align_up(reinterpret_cast<uint64_t>(region), granule);
    const uint64_t end = align_down(reinterpret_cast<uint64_t>(region) + size, granule);
    first_ = reinterpret_cast<FreeBlock*>(start);
    *first_ = {end - start, nullptr};
    free_bytes_ = end - start;
}

void* Heap::allocate(size_t size, size_t alignment) {
    if (size == 0) size = 1;
    if (size > free_bytes_) return nullptr;
    if (alignment < granule) alignment = granule;
    for (FreeBlock** link = &first_; *link != nullptr; link = &(*link)->next) {
        FreeBlock* block = *link;
        const uint64_t start = reinterpret_cast<uint64_t>(block);
        const uint64_t pointer = align_up(start + sizeof(Header), alignment);
        const uint64_t needed = align_up(pointer + size, granule) - start;
        if (needed < size || needed > block->size) continue;
        // What lies in front of the header by alignment stays free; so does the rest behind.
        FreeBlock* next = block->next;
        uint64_t used_start = pointer - sizeof(Header);
        const uint64_t block_end = start + block->size;
        const uint64_t used_end = start + needed;
        if (used_end < block_end) {
            auto* rest = reinterpret_cast<FreeBlock*>(used_end);
            *rest = {block_end - used_end, next};
            next = rest;
        }
        if (used_start > start) {
            block->size = used_start - start;
            block->next = next;
        } else {
            *link = next;
        }
        *reinterpret_cast<Header*>(used_start) = {used_end - used_start, sizeof(Header)};
        free_bytes_ -= used_end - used_start;
        return reinterpret_cast<void*>(pointer);
    }
    return nullptr;
}

void Heap::release(void* pointer) {
    if (pointer == nullptr) return;
    auto* header = static_cast<Header*>(pointer) - 1;
    const size_t size = header->size;
    auto* freed = reinterpret_cast<FreeBlock*>(header);
    FreeBlock* previous = nullptr;
    FreeBlock* next = first_;
    while (next != nullptr && next < freed) {
        previous = next;
        next = next->next;
    }
    *freed = {size, next};
    free_bytes_ += size;
    const auto end_of = [](FreeBlock* block) {
        return reinterpret_cast<FreeBlock*>(reinterpret_cast<char*>(block) + block->size);
    };
    if (next != nullptr && end_of(freed) == next) {
        freed->size += next->size;
        freed->next = next->next;
    }
    if (previous == nullptr) {
        first_ = freed;
    } else if (end_of(previous) == freed) {
        previous->size += freed->size;
        previous->next = freed->next;
    } else {
        previous->next = freed;
    }
}

}  // namespace bulkhead::runtime
