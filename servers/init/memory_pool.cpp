// SPDX-License-Identifier: Apache-2.0
#include "servers/init/memory_pool.hpp"

#include "base/address.hpp"
#include "runtime/program.hpp"

namespace bulkhead::init {

void MemoryPool::initialize(const abi::RootInformation& root) {
    const runtime::Environment& environment = runtime::environment();
    for (uint32_t index = 0; index < root.memory_count && index < abi::max_root_memories; ++index) {
        abi::RootMemory memory = root.memories[index];
        // The runtime has taken the end of one of them as our heap.
        if (memory.selector == environment.heap_source) memory.size_bytes = environment.heap_source_offset;
        memory.size_bytes = align_down(memory.size_bytes, page_size_bytes);
        const auto range = Range::create(memory.physical_address, memory.size_bytes);
        if (!range || range->empty()) continue;
        sources_[source_count_].memory = memory;
        sources_[source_count_].free.initialize(*range);
        ++source_count_;
        free_bytes_ += memory.size_bytes;
    }
}

abi::Result<MemoryPiece> MemoryPool::take(uint64_t size_bytes, uint64_t alignment, abi::Selector owner,
                                          abi::Rights rights) {
    for (uint32_t index = 0; index < source_count_; ++index) {
        Source& source = sources_[index];
        const auto address = source.free.allocate(size_bytes, alignment);
        if (!address.ok()) continue;
        const runtime::Memory whole{source.memory.selector};
        const auto memory =
            whole.derive(address.value() - source.memory.physical_address, size_bytes, rights, false, owner);
        if (!memory.ok()) {
            source.free.release(address.value(), size_bytes);
            return memory.error();
        }
        free_bytes_ -= size_bytes;
        return MemoryPiece{memory.value(), address.value(), size_bytes};
    }
    return abi::Status::OutOfMemory;
}

void MemoryPool::give_back(MemoryPiece& piece) {
    if (!piece) return;
    // The owner's end has destroyed it already; if not, this does.
    static_cast<void>(runtime::invoke(abi::Destroy{piece.memory.selector()}));
    piece.memory.forget();
    for (uint32_t index = 0; index < source_count_; ++index) {
        Source& source = sources_[index];
        const auto range = *Range::create(source.memory.physical_address, source.memory.size_bytes);
        if (!range.contains(piece.physical_address)) continue;
        source.free.release(piece.physical_address, piece.size_bytes);
        free_bytes_ += piece.size_bytes;
    }
    piece = {};
}

}  // namespace bulkhead::init
