// SPDX-License-Identifier: Apache-2.0
// The ports a domain may use, as the bitmap behind the task-state segment wants them (Intel SDM volume 1, 19.5.2).
// Changed under the configuration lock; a CPU copies it when it next runs a thread of the domain.
#pragma once

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/object/object_heap.hpp"

namespace bulkhead::kernel {

class IoPermissions {
  public:
    /// Allows nothing. Takes four pages of the heap: the bitmap and its owner.
    static abi::Result<IoPermissions*> create(ObjectHeap& heap);
    void destroy(ObjectHeap& heap);

    void allow(uint16_t first, uint32_t count) { change(first, count, false); }
    void forbid(uint16_t first, uint32_t count) { change(first, count, true); }

    const uint8_t* bitmap() const { return bitmap_; }
    /// Grows with every change.
    uint64_t version() const { return version_; }

  private:
    static constexpr unsigned bitmap_order = 1;
    static_assert(TaskState::bitmap_bytes == page_size_bytes << bitmap_order);

    explicit IoPermissions(uint8_t* bitmap) : bitmap_{bitmap} {}
    void change(uint16_t first, uint32_t count, bool forbid);

    uint8_t* bitmap_;
    uint64_t version_;
};

}  // namespace bulkhead::kernel
