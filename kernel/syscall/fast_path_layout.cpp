// SPDX-License-Identifier: Apache-2.0
// Checks that the members the entry code touches lie where asm_offsets.h says.
#include <cstddef>

#include "abi/layout.hpp"
#include "kernel/arch/x86_64/asm_offsets.h"
#include "kernel/object/thread.hpp"

namespace bulkhead::kernel {

struct FastPathLayout {
    static_assert(offsetof(ExecutionContext, frame_) == CONTEXT_FRAME);
    static_assert(abi::stub_page_address == STUB_PAGE);
};

}  // namespace bulkhead::kernel
