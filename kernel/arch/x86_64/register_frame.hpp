// SPDX-License-Identifier: Apache-2.0
// What the entry code saves of an interrupted program. For ring 3 it lies inside the thread object: TSS.RSP0 points to
// its end, so the CPU pushes straight into the thread, and the word behind the frame is the stack the kernel goes on
// with. For ring 0 (and NMI, #DF, #MC) it lies on the current or the IST stack. Owned by the CPU that runs the thread.
#pragma once

#include <cstdint>

namespace bulkhead::kernel {

struct alignas(16) RegisterFrame {
    uint64_t r15, r14, r13, r12, rbx, r10, r9, r8, rsi, rdi, rax, rbp, rdx, rcx, r11;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;

    bool from_user() const { return (cs & 3) == 3; }
};

/// The frame as a thread holds it. Aligned to 16, because the CPU aligns RSP0 before it pushes (SDM vol. 3A, 6.14.2).
struct alignas(16) UserFrame {
    RegisterFrame registers;
    uint64_t kernel_stack_top;  // what the entry code loads into RSP before it calls C++
};

/// Restores every register and leaves by IRETQ, or, behind a system call, what the stub page keeps, and leaves as fast
/// as that can. The frame's RIP must be below abi::user_address_limit, its selectors those of ring 3 and its RFLAGS
/// checked: a fault of this IRETQ is a bug of ours.
extern "C" [[noreturn]] void return_to_user(RegisterFrame& frame);

}  // namespace bulkhead::kernel
