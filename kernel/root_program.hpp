// SPDX-License-Identifier: Apache-2.0
// The ELF64 image of the root task, checked. Source: System V ABI, object files; AMD64 supplement. Boot modules are
// hostile input: every offset and size is checked before it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/address.hpp"
#include "base/range.hpp"
#include "base/result.hpp"
#include "base/static_vector.hpp"

namespace bulkhead::kernel {

struct RootProgram {
    static constexpr size_t maximum_segments = 8;
    static constexpr uint64_t maximum_bytes = 4 << 20;  // of one segment: an allocation of the kernel's pool

    struct Segment {
        uint64_t address;
        uint64_t memory_bytes;
        std::span<const std::byte> content;  // the rest of the memory is zero
        bool writable;
        bool executable;

        /// The pages it covers.
        Range pages() const {
            return Range::between(align_down(address, page_size_bytes),
                                  align_up(address + memory_bytes, page_size_bytes));
        }
    };

    uint64_t entry = 0;
    StaticVector<Segment, maximum_segments> segments;

    /// The program in an image, or a sentence that says what is wrong with it.
    static Result<RootProgram, const char*> parse(std::span<const std::byte> image);
};

}  // namespace bulkhead::kernel
