// SPDX-License-Identifier: Apache-2.0
// Tries things that may fault: a thread of its own does them, its exception handler notes the fault and lets it go on
// behind the instruction. One probe at a time.
#pragma once

#include <cstdint>

#include "abi/message.hpp"
#include "tests/system/framework/test.hpp"

namespace bulkhead::test {

/// What became of an attempt.
struct Outcome {
    bool faulted = false;
    uint32_t vector = 0;
    uint64_t error_code = 0;
    uint64_t address = 0;         ///< CR2 of a page fault
    uint64_t value = 0;           ///< what was read
    abi::ExceptionFrame frame{};  ///< as the exception handler saw it

    bool operator==(uint32_t wanted_vector) const { return faulted && vector == wanted_vector; }
};

inline constexpr uint32_t divide_error = 0;
inline constexpr uint32_t debug_exception = 1;
inline constexpr uint32_t breakpoint = 3;
inline constexpr uint32_t invalid_opcode = 6;
inline constexpr uint32_t device_not_available = 7;
inline constexpr uint32_t stack_fault = 12;
inline constexpr uint32_t general_protection = 13;
inline constexpr uint32_t page_fault = 14;
inline constexpr uint32_t alignment_check = 17;

/// Checks that an attempt faulted with a vector.
inline void expect_fault(const Outcome& outcome, uint32_t vector, const char* text, const char* file, unsigned line) {
    if (outcome == vector) return;
    char why[200];
    const auto fault = outcome.faulted ? runtime::format_into(why, "{}: vector {} at {x}, not {}", text, outcome.vector,
                                                              outcome.frame.rip, vector)
                                       : runtime::format_into(why, "{}: no fault, not {}", text, vector);
    record_failure(file, line, fault);
}
#define EXPECT_FAULT(outcome, vector) ::bulkhead::test::expect_fault((outcome), (vector), #outcome, __FILE__, __LINE__)

/// Runs `function(argument)` on the probe thread, on a CPU. It must be able to end behind a fault: the handler
/// continues at the address that RBX holds at the fault.
Outcome probe(uint64_t (*function)(uint64_t argument), uint64_t argument, uint32_t cpu = 0);

Outcome probe_read(uint64_t address, uint32_t cpu = 0);
Outcome probe_write(uint64_t address, uint64_t value = 0, uint32_t cpu = 0);
Outcome probe_execute(uint64_t address, uint32_t cpu = 0);
Outcome probe_port_read(uint16_t port, uint32_t cpu = 0);

/// A function for `probe` around one piece of assembly: RDI holds the argument, RAX what is returned. R12 and RBX must
/// be left alone until the fault; RBP and the stack need not be.
#define PROBE_FUNCTION(name, instructions)                                    \
    [[gnu::naked]] static uint64_t name([[maybe_unused]] uint64_t argument) { \
        asm("push %rbx\n\t"                                                   \
            "push %rbp\n\t"                                                   \
            "push %r12\n\t"                                                   \
            "mov %rsp, %r12\n\t"                                              \
            "lea 1f(%rip), %rbx\n\t"                                          \
            "xor %eax, %eax\n\t" instructions                                 \
            "\n1:\n\t"                                                        \
            "mov %r12, %rsp\n\t"                                              \
            "pop %r12\n\t"                                                    \
            "pop %rbp\n\t"                                                    \
            "pop %rbx\n\t"                                                    \
            "ret");                                                           \
    }

}  // namespace bulkhead::test
