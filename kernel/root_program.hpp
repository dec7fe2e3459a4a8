// SPDX-License-Identifier: Apache-2.0
// The ELF64 image of the root task, checked and loaded. Source: System V ABI, object files; AMD64 supplement. Boot
// modules are hostile input: every offset and size is checked before it is used.
#pragma once

#include "kernel/object/domain.hpp"
#include "kernel/platform/byte_reader.hpp"

namespace bulkhead::kernel {

/// RAM of the root domain's own: fresh pages of the kernel's pool, mapped for good at `range`.
abi::Result<std::byte*> map_root_pages(Domain& root, const Range& range, x86::PageAccess access);

/// Loads the program in an image. Returns its entry point, or a sentence that says what is wrong with it.
Result<uint64_t, const char*> load_root_program(Domain& root, Bytes image);

}  // namespace bulkhead::kernel
