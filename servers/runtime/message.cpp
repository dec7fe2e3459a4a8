// SPDX-License-Identifier: Apache-2.0
#include "runtime/message.hpp"

#include "runtime/thread.hpp"

namespace bulkhead::runtime {
namespace {

/// RDI: the tag, RSI: the nine words, both in and out; RDX: the portal.
[[gnu::naked]] void call_with_message(uint64_t* /*tag*/, uint64_t* /*words*/, uint64_t /*portal*/) {
    asm("push %%rbx\n\t"
        "push %%r12\n\t"
        "push %%r13\n\t"
        "push %%r14\n\t"
        "push %%r15\n\t"
        "push %%rdi\n\t"
        "push %%rsi\n\t"
        "mov (%%rdi), %%rax\n\t"
        "mov %%rdx, %%rdi\n\t"
        "mov 8(%%rsi), %%r8\n\t"
        "mov 16(%%rsi), %%r9\n\t"
        "mov 24(%%rsi), %%r10\n\t"
        "mov 32(%%rsi), %%rbx\n\t"
        "mov 40(%%rsi), %%r12\n\t"
        "mov 48(%%rsi), %%r13\n\t"
        "mov 56(%%rsi), %%r14\n\t"
        "mov 64(%%rsi), %%r15\n\t"
        "mov (%%rsi), %%rsi\n\t"
        "call %c[stub]\n\t"
        "pop %%rdx\n\t"
        "pop %%rdi\n\t"
        "mov %%rax, (%%rdi)\n\t"
        "mov %%rsi, (%%rdx)\n\t"
        "mov %%r8, 8(%%rdx)\n\t"
        "mov %%r9, 16(%%rdx)\n\t"
        "mov %%r10, 24(%%rdx)\n\t"
        "mov %%rbx, 32(%%rdx)\n\t"
        "mov %%r12, 40(%%rdx)\n\t"
        "mov %%r13, 48(%%rdx)\n\t"
        "mov %%r14, 56(%%rdx)\n\t"
        "mov %%r15, 64(%%rdx)\n\t"
        "pop %%r15\n\t"
        "pop %%r14\n\t"
        "pop %%r13\n\t"
        "pop %%r12\n\t"
        "pop %%rbx\n\t"
        "ret"
        :
        : [stub] "i"(abi::stub_page_address));
}

}  // namespace

abi::MessageBuffer& message_buffer() { return *this_thread().message_buffer; }

Message& Message::with_deadline(uint64_t ticks) {
    message_buffer().deadline = ticks;
    tag_ = abi::MessageTag::HasDeadline::write(tag_, true);
    return *this;
}

abi::Result<void> Message::call(abi::Selector portal) {
    tag_ = abi::MessageTag::Call::write(tag_, static_cast<uint8_t>(abi::CallNumber::Call));
    call_with_message(&tag_, words.data(), portal);
    const auto status = static_cast<abi::Status>(abi::MessageTag::Call::read(tag_));
    if (status != abi::Status::Ok) return status;
    return {};
}

}  // namespace bulkhead::runtime
