// SPDX-License-Identifier: Apache-2.0
// The heap: first fit over one region of bounded size, free blocks in address order and joined when freed. `Heap` is
// the algorithm and not synchronised; `allocate` and `release`, and operator new and delete on top, are for any thread.
// Exhaustion is a null pointer of `allocate`; operator new, which cannot say so, stops the program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

class Heap {
  public:
    static constexpr size_t granule = 16;

    void initialize(void* region, size_t size);
    /// Null if there is no block of that size. `alignment` is a power of two.
    void* allocate(size_t size, size_t alignment = granule);
    void release(void* pointer);
    size_t free_bytes() const { return free_bytes_; }

  private:
    /// In front of every allocated block; a free block keeps its size and the next free block at its start.
    struct Header {
        size_t size;    ///< of the whole block
        size_t offset;  ///< from the block's start to the pointer given out
    };
    struct FreeBlock {
        size_t size;
        FreeBlock* next;
    };
    static_assert(sizeof(Header) == granule && sizeof(FreeBlock) == granule);

    FreeBlock* first_ = nullptr;
    size_t free_bytes_ = 0;
};

void* allocate(size_t size, size_t alignment = Heap::granule);
void release(void* pointer);
size_t heap_free_bytes();

}  // namespace bulkhead::runtime
