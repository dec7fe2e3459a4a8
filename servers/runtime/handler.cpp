// SPDX-License-Identifier: Apache-2.0
#include "runtime/handler.hpp"

#include "base/address.hpp"
#include "base/result.hpp"

namespace bulkhead::runtime {

/// RSP as after the return from a call: one word below a multiple of 16.
extern "C" [[noreturn]] [[gnu::naked]] void runtime_reply_failed() {
    asm("sub %[back], %%rsp\n\t"  // above the return address again, which is still there
        "movzbl %%al, %%esi\n\t"
        "movabs %[tag], %%rax\n\t"
        "xor %%r8d, %%r8d\n\t"
        "xor %%r9d, %%r9d\n\t"
        "xor %%r10d, %%r10d\n\t"
        "xor %%ebx, %%ebx\n\t"
        "xor %%r12d, %%r12d\n\t"
        "xor %%r13d, %%r13d\n\t"
        "xor %%r14d, %%r14d\n\t"
        "xor %%r15d, %%r15d\n\t"
        "jmp %c[stub]"
        :
        : [back] "i"(8), [tag] "i"(abi::MessageTag::Label::make(~0u) | static_cast<uint64_t>(abi::CallNumber::Reply)),
          [stub] "i"(abi::stub_page_address));
}

uint64_t prepare_handler_stack(uint64_t top) {
    // From the top: a word for alignment, the return address of a refused reply, the word into which the stub page
    // pushes RBP; that is where the stack pointer stands when a call arrives.
    auto* return_address = reinterpret_cast<uint64_t*>(top - 16);
    *return_address = reinterpret_cast<uint64_t>(&runtime_reply_failed);
    return reinterpret_cast<uint64_t>(return_address) - stub_frame_bytes;
}

}  // namespace bulkhead::runtime
