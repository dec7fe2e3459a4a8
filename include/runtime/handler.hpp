// SPDX-License-Identifier: Apache-2.0
// The callee's side of portals: code that stands at a portal's entry address, fetches the message from the registers,
// runs a C++ function and replies. A handler thread has one stack pointer, that of its creation: each call starts
// there, each reply leaves there (`prepare_handler_stack` lays out what stands above).
//
//   short_handler<f>    f(badge, label, words) -> ShortAnswer: four words each way, registers only
//   message_handler<f>  f(badge, Request&): all nine words, buffer, capabilities
//
// The functions run on the caller's time. They must not wait for devices.
#pragma once

#include <array>
#include <cstdint>

#include "abi/calls.hpp"
#include "abi/layout.hpp"
#include "abi/message.hpp"
#include "runtime/message.hpp"

namespace bulkhead::runtime {

/// What a short handler replies.
struct ShortAnswer {
    uint32_t label = 0;
    Words words{};
};

/// A call as its handler sees it, and the reply in the making. Laid out by the entry code of `message_handler`.
class Request {
  public:
    Request() = delete;

    uint32_t label() const { return abi::MessageTag::Label::read(tag_); }
    uint16_t buffer_words() const { return abi::MessageTag::BufferWords::read(tag_); }
    uint8_t items() const { return abi::MessageTag::Items::read(tag_); }

    /// Label of the reply; without it the reply has label 0. Words, buffer words and items are set on their own.
    Request& reply(uint32_t label) {
        reply_tag_ = abi::MessageTag::Label::write(reply_tag_, label);
        return *this;
    }
    Request& reply_buffer_words(uint16_t count) {
        reply_tag_ = abi::MessageTag::BufferWords::write(reply_tag_, count);
        return *this;
    }
    Request& reply_items(uint8_t count) {
        reply_tag_ = abi::MessageTag::Items::write(reply_tag_, count);
        return *this;
    }

  private:
    uint64_t reply_tag_;
    uint64_t tag_;

  public:
    /// The words of the call, and, changed in place, of the reply.
    std::array<uint64_t, abi::register_words> words;
};
static_assert(sizeof(Request) == 8 * (2 + abi::register_words));

using HandlerEntry = void (*)();

/// The kernel notes RSP inside the stub page, which has pushed RBP by then: a reply leaves this much above the stack
/// pointer the next call is to start with.
inline constexpr uint64_t stub_frame_bytes = 8;

/// Writes the words above a handler's stack pointer; `top` is 16-byte aligned. Returns the stack for CreateThread.
uint64_t prepare_handler_stack(uint64_t top);

/// A reply the kernel refused returns here; it replies with the status as label ~0 and no words.
extern "C" [[noreturn]] void runtime_reply_failed();

template <auto Function>
[[noreturn]] void short_handler_body(uint64_t badge, uint64_t word0, uint64_t tag, uint64_t word3, uint64_t word1,
                                     uint64_t word2) {
    const ShortAnswer answer = Function(badge, abi::MessageTag::Label::read(tag), Words{word0, word1, word2, word3});
    register uint64_t r8 asm("r8") = answer.words[1];
    register uint64_t r9 asm("r9") = answer.words[2];
    register uint64_t r10 asm("r10") = answer.words[3];
    // The frame pointer is where this function, entered by a jump, pushed RBP: one word below the first stack pointer.
    // Nothing after this, so the registers zeroed here need no saving and are not told to the compiler.
    asm volatile(
        "xor %%ebx, %%ebx\n\t"
        "xor %%r12d, %%r12d\n\t"
        "xor %%r13d, %%r13d\n\t"
        "xor %%r14d, %%r14d\n\t"
        "xor %%r15d, %%r15d\n\t"
        "lea %c[above](%[frame]), %%rsp\n\t"
        "jmp %c[stub]"
        :
        :
        [frame] "d"(__builtin_frame_address(0)), [above] "i"(8 + stub_frame_bytes), [stub] "i"(abi::stub_page_address),
        "a"(abi::MessageTag::Label::make(answer.label) | static_cast<uint64_t>(abi::CallNumber::Reply)),
        "S"(answer.words[0]), "r"(r8), "r"(r9), "r"(r10)
        : "memory");
    __builtin_unreachable();
}

/// Portal entry for short messages. The arguments come in the registers of the C++ calling convention but two.
template <auto Function>
[[gnu::naked]] void short_handler() {
    asm("mov %%rax, %%rdx\n\t"
        "mov %%r10, %%rcx\n\t"
        "jmp %P0"
        :
        : "i"(&short_handler_body<Function>));
}

/// Portal entry for whole messages: makes a Request on the stack, calls the function, loads the reply from it.
template <void (*Function)(uint64_t badge, Request& request)>
[[gnu::naked]] void message_handler() {
    asm("push %%r15\n\t"
        "push %%r14\n\t"
        "push %%r13\n\t"
        "push %%r12\n\t"
        "push %%rbx\n\t"
        "push %%r10\n\t"
        "push %%r9\n\t"
        "push %%r8\n\t"
        "push %%rsi\n\t"
        "push %%rax\n\t"
        "push %[reply]\n\t"
        "mov %%rsp, %%rsi\n\t"
        "xor %%ebp, %%ebp\n\t"
        "call %P[function]\n\t"
        "pop %%rax\n\t"
        "pop %%rsi\n\t"  // the tag of the call, dropped
        "pop %%rsi\n\t"
        "pop %%r8\n\t"
        "pop %%r9\n\t"
        "pop %%r10\n\t"
        "pop %%rbx\n\t"
        "pop %%r12\n\t"
        "pop %%r13\n\t"
        "pop %%r14\n\t"
        "pop %%r15\n\t"
        "add %[above], %%rsp\n\t"
        "jmp %c[stub]"
        :
        : [reply] "i"(static_cast<int>(abi::CallNumber::Reply)), [function] "i"(Function),
          [above] "i"(stub_frame_bytes), [stub] "i"(abi::stub_page_address));
}

}  // namespace bulkhead::runtime
