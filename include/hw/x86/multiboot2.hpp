// SPDX-License-Identifier: Apache-2.0
// What a Multiboot2 boot loader passes: a header and a sequence of tags, each on 8 bytes. Multiboot2 specification 2.0,
// section 3.6. Layouts only; kernel/platform/multiboot2.hpp reads them.
#pragma once

#include <cstdint>

namespace bulkhead::x86 {

struct MultibootHeader {
    uint32_t total_size, reserved;
};

enum class MultibootTagType : uint32_t {
    // clang-format off
    End = 0, CommandLine = 1, Module = 3, MemoryMap = 6, AcpiOldRoot = 14, AcpiNewRoot = 15,
    // clang-format on
};

struct MultibootTag {
    MultibootTagType type;
    uint32_t size;  // with this header, without the padding
};

/// Behind it: the module's text, NUL-terminated.
struct MultibootModule {
    MultibootTag tag;
    uint32_t start, end;
};

/// Behind it: entries of `entry_size` bytes.
struct MultibootMemoryMap {
    MultibootTag tag;
    uint32_t entry_size, entry_version;
};

enum class MultibootMemoryType : uint32_t { Available = 1, Reserved = 2, AcpiReclaimable = 3, AcpiNonVolatile = 4 };

struct MultibootMemoryEntry {
    uint64_t start, size;
    MultibootMemoryType type;
    uint32_t reserved;
};
static_assert(sizeof(MultibootMemoryEntry) == 24);

}  // namespace bulkhead::x86
