// SPDX-License-Identifier: Apache-2.0
#include "vmm/vm/guest_memory.hpp"

namespace bulkhead::vmm {

Result<void, GuestMemoryError> GuestMemory::add(const RamBlock& block) {
    if (block.size_bytes == 0) return GuestMemoryError::Empty;
    if (!block.start.aligned(page_size_bytes) || !is_aligned(block.size_bytes, page_size_bytes)) {
        return GuestMemoryError::Unaligned;
    }
    const auto range = Range::create(block.start.value(), block.size_bytes);
    if (!range) return GuestMemoryError::Wraps;
    for (const RamBlock& other : blocks_) {
        const auto used = Range::create(other.start.value(), other.size_bytes);
        if (used->overlaps(*range)) return GuestMemoryError::Overlaps;
    }
    if (!blocks_.push_back(block)) return GuestMemoryError::TooManyBlocks;
    return {};
}

uint64_t GuestMemory::size_bytes() const {
    uint64_t sum = 0;
    for (const RamBlock& block : blocks_) sum += block.size_bytes;
    return sum;
}

const RamBlock* GuestMemory::block_of(GuestPhysicalAddress address) const {
    for (const RamBlock& block : blocks_) {
        if (address >= block.start && address - block.start < block.size_bytes) return &block;
    }
    return nullptr;
}

std::byte* GuestMemory::find(GuestPhysicalAddress start, uint64_t size_bytes) const {
    const RamBlock* block = block_of(start);
    if (block == nullptr) return nullptr;
    const uint64_t offset = start - block->start;
    if (size_bytes > block->size_bytes - offset) return nullptr;
    return block->host + offset;
}

/// Calls step(host memory, bytes done, piece size) for each part that one block holds; false at the first gap.
template <typename Step>
bool GuestMemory::for_each_piece(GuestPhysicalAddress start, uint64_t size_bytes, Step step) const {
    uint64_t done = 0;
    while (done < size_bytes) {
        const RamBlock* block = block_of(start + done);
        if (block == nullptr || start.value() + done < start.value()) return false;
        const uint64_t offset = (start + done) - block->start;
        const uint64_t left = block->size_bytes - offset;
        const uint64_t piece = size_bytes - done < left ? size_bytes - done : left;
        step(block->host + offset, done, piece);
        done += piece;
    }
    return true;
}

bool GuestMemory::contains(GuestPhysicalAddress start, uint64_t size_bytes) const {
    if (size_bytes == 0) return block_of(start) != nullptr;
    return for_each_piece(start, size_bytes, [](std::byte*, uint64_t, uint64_t) {});
}

bool GuestMemory::read(GuestPhysicalAddress source, std::span<std::byte> destination) const {
    return for_each_piece(source, destination.size(), [&](const std::byte* host, uint64_t done, uint64_t piece) {
        __builtin_memcpy(destination.data() + done, host, piece);
    });
}

bool GuestMemory::write(GuestPhysicalAddress destination, std::span<const std::byte> source) const {
    if (source.empty()) return true;
    if (!contains(destination, source.size())) return false;
    return for_each_piece(destination, source.size(), [&](std::byte* host, uint64_t done, uint64_t piece) {
        __builtin_memcpy(host, source.data() + done, piece);
    });
}

bool GuestMemory::fill_zero(GuestPhysicalAddress destination, uint64_t size_bytes) const {
    if (size_bytes == 0) return true;
    if (!contains(destination, size_bytes)) return false;
    return for_each_piece(destination, size_bytes,
                          [](std::byte* host, uint64_t, uint64_t piece) { __builtin_memset(host, 0, piece); });
}

}  // namespace bulkhead::vmm
