// SPDX-License-Identifier: Apache-2.0
// The caller's side of portals (abi/message.hpp): `call` for four words in registers, `Message` for everything else.
// The message registers a call does not use are zeroed, so that nothing of the caller leaks; what comes back in the
// registers of `call` beyond the four words is dropped. Any thread; the message buffer belongs to the thread.
#pragma once

#include <array>
#include <cstdint>

#include "abi/calls.hpp"
#include "abi/layout.hpp"
#include "abi/message.hpp"
#include "abi/status.hpp"

namespace bulkhead::runtime {

using Words = std::array<uint64_t, 4>;

/// What came back of a short call. `label` and `words` are meaningful if the status is Ok.
struct ShortReply {
    abi::Status status;
    uint32_t label;
    Words words;
};

/// Calls a portal with a label and up to four words, all in registers: the fast path.
[[gnu::always_inline]] inline ShortReply call(abi::Selector portal, uint32_t label, uint64_t word0 = 0,
                                              uint64_t word1 = 0, uint64_t word2 = 0, uint64_t word3 = 0) {
    uint64_t tag = abi::MessageTag::Label::make(label) | static_cast<uint64_t>(abi::CallNumber::Call);
    uint64_t rdi = portal;
    uint64_t rsi = word0;
    uint64_t rbx = 0;
    register uint64_t r8 asm("r8") = word1;
    register uint64_t r9 asm("r9") = word2;
    register uint64_t r10 asm("r10") = word3;
    register uint64_t r12 asm("r12") = 0;
    register uint64_t r13 asm("r13") = 0;
    register uint64_t r14 asm("r14") = 0;
    register uint64_t r15 asm("r15") = 0;
    asm volatile("call %c[stub]"
                 : "+a"(tag), "+D"(rdi), "+S"(rsi), "+r"(r8), "+r"(r9), "+r"(r10), "+b"(rbx), "+r"(r12), "+r"(r13),
                   "+r"(r14), "+r"(r15)
                 : [stub] "i"(abi::stub_page_address)
                 : "rcx", "rdx", "r11", "memory", "cc");
    return {static_cast<abi::Status>(tag & 0xff), abi::MessageTag::Label::read(tag), {rsi, r8, r9, r10}};
}

/// A whole message: label, nine words in registers; with it go, if it says so, words and capabilities of the thread's
/// message buffer. The same object holds the reply after `call`.
class Message {
  public:
    explicit Message(uint32_t label) : tag_{abi::MessageTag::Label::make(label)} {}

    std::array<uint64_t, abi::register_words> words{};

    /// How many of the buffer's words go along.
    Message& with_buffer_words(uint16_t count) {
        tag_ = abi::MessageTag::BufferWords::write(tag_, count);
        return *this;
    }
    /// How many of the buffer's items go along.
    Message& with_items(uint8_t count) {
        tag_ = abi::MessageTag::Items::write(tag_, count);
        return *this;
    }
    /// Absolute time in TSC ticks after which the call is given up.
    Message& with_deadline(uint64_t ticks);

    /// Makes the call; the members tell the reply then.
    [[nodiscard]] abi::Result<void> call(abi::Selector portal);

    uint32_t label() const { return abi::MessageTag::Label::read(tag_); }
    uint16_t buffer_words() const { return abi::MessageTag::BufferWords::read(tag_); }
    uint8_t items() const { return abi::MessageTag::Items::read(tag_); }

  private:
    uint64_t tag_;
};

/// The calling thread's message buffer.
abi::MessageBuffer& message_buffer();

/// The words of the message buffer as bytes, for text and structs.
inline char* message_bytes() { return reinterpret_cast<char*>(message_buffer().words); }
inline constexpr size_t message_bytes_capacity = sizeof(abi::MessageBuffer::words);

/// Words needed for `bytes` bytes of buffer.
constexpr uint16_t words_for(size_t bytes) { return static_cast<uint16_t>((bytes + 7) / 8); }

}  // namespace bulkhead::runtime
