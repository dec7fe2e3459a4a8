// SPDX-License-Identifier: Apache-2.0
// The first code of every program. The first thread's stack ends at abi::root_stack_top for root task and others
// alike, aligned as `ThreadBlock` wants it.
#include "runtime/start.hpp"

#include "base/result.hpp"
#include "runtime/program.hpp"
#include "runtime/thread.hpp"

using Constructor = void (*)();
extern "C" {
extern Constructor init_array_start[];
extern Constructor init_array_end[];
}

namespace bulkhead::runtime {

static_assert(abi::root_stack_top % stack_slot_bytes == 0 && protocol::Place::stack_bytes == stack_slot_bytes);
static_assert(protocol::Place::stack_top == abi::root_stack_top);

extern "C" [[noreturn]] void runtime_start(const uint64_t* information) {
    ThreadBlock& block = this_thread();
    block = {};
    block.name = "main";
    block.message_buffer = reinterpret_cast<abi::MessageBuffer*>(abi::root_message_buffer_address);
    const auto* root = reinterpret_cast<const abi::RootInformation*>(information);
    const auto* startup = reinterpret_cast<const protocol::StartupInformation*>(information);
    const bool is_root = root->magic == abi::RootInformation::expected_magic;
    if (is_root) {
        initialize_root(*root);
    } else if (startup->magic == protocol::StartupInformation::expected_magic) {
        initialize_program(*startup);
        block.cpu = startup->cpu;
    } else {
        stop_by_fault();
    }
    if (auto sleeper = Notification::create(); sleeper.ok()) block.sleeper = sleeper.value().selector();
    for (Constructor* constructor = init_array_start; constructor != init_array_end; ++constructor) (*constructor)();
    if (is_root) {
        ASSERT(root_main != nullptr);
        exit(root_main(*root));
    }
    ASSERT(program_main != nullptr);
    exit(program_main(*startup));
}

}  // namespace bulkhead::runtime

/// RDI: the start-up page; RSP: somewhere at the top of the stack.
extern "C" [[gnu::naked]] [[gnu::section(".text.start")]] void _start() {
    asm("dec %%rsp\n\t"
        "or %[mask], %%rsp\n\t"
        "sub %[block], %%rsp\n\t"
        "xor %%ebp, %%ebp\n\t"
        "call %P[start]\n\t"
        "ud2"
        :
        : [mask] "i"(bulkhead::runtime::stack_slot_bytes - 1), [block] "i"(sizeof(bulkhead::runtime::ThreadBlock) - 1),
          [start] "i"(&bulkhead::runtime::runtime_start));
}
