// SPDX-License-Identifier: Apache-2.0
// Threads: stack memory is taken from the heap and mapped a second time, at an address with an unmapped page below.
#include "runtime/thread.hpp"

#include "base/address.hpp"
#include "base/scope_guard.hpp"
#include "runtime/address_space.hpp"
#include "runtime/handler.hpp"
#include "runtime/heap.hpp"
#include "runtime/log.hpp"
#include "runtime/program.hpp"
#include "runtime/time.hpp"

namespace bulkhead::runtime {
namespace {

constexpr uint64_t stack_bytes = stack_slot_bytes - page_size_bytes;

/// First C++ function of a thread.
extern "C" [[noreturn]] void runtime_thread_main(ThreadBlock* block) {
    block->function(block->argument);
    stop_this_thread();
}

[[gnu::naked]] void thread_entry() {
    asm("xor %%ebp, %%ebp\n\t"
        "call %P[main]\n\t"
        "ud2"
        :
        : [main] "i"(&runtime_thread_main));
}

/// Where a slot of addresses for one thread has what: its message buffer and, in the next 64 KiB, its stack.
constexpr uint64_t slot_stack_offset = stack_slot_bytes;
constexpr uint64_t slot_bytes = 2 * stack_slot_bytes;

uint64_t slot_of(const ThreadBlock& block) {
    return align_down(reinterpret_cast<uint64_t>(&block), stack_slot_bytes) - slot_stack_offset;
}

}  // namespace

abi::Result<ThreadBlock*> Thread::create_block(const ThreadOptions& options) {
    void* memory = allocate(stack_bytes, page_size_bytes);
    if (memory == nullptr) return abi::Status::OutOfMemory;
    ScopeGuard release_memory{[&] { release(memory); }};
    const uint64_t slot = TRY(allocate_addresses(slot_bytes, stack_slot_bytes));
    ScopeGuard release_slot{[&] { release_addresses(slot, slot_bytes); }};

    const uint64_t stack = slot + slot_stack_offset + page_size_bytes;
    const uint64_t offset = reinterpret_cast<uint64_t>(memory) - protocol::Place::heap;
    TRY(Memory{environment().heap_memory}.map(stack, offset, stack_bytes, read_write));
    auto* block = reinterpret_cast<ThreadBlock*>(stack + stack_bytes) - 1;
    *block = {};
    block->message_buffer = reinterpret_cast<abi::MessageBuffer*>(slot);
    block->name = options.name;
    block->stack_memory = memory;
    block->cpu = options.cpu;
    if (auto sleeper = Notification::create(); sleeper.ok()) block->sleeper = sleeper.value().selector();
    release_memory.dismiss();
    release_slot.dismiss();
    return block;
}

abi::Result<void> Thread::create_object(ThreadBlock& block, const ThreadOptions& options, uint64_t entry,
                                        uint64_t stack, abi::ThreadFlags flags) {
    abi::Selector exception_portal = options.exception_portal;
    if (exception_portal == abi::null_selector && environment().exception_portals != abi::null_selector) {
        exception_portal = environment().exception_portals + options.cpu;
    }
    if (options.uses_fpu) flags |= static_cast<abi::ThreadFlags>(abi::ThreadFlag::UsesFpu);
    block.thread = TRY(make_in_new_slot(
        abi::CreateThread{self, 0, options.cpu, entry, stack, reinterpret_cast<uint64_t>(block.message_buffer),
                          reinterpret_cast<uint64_t>(&block), exception_portal, flags}));
    return {};
}

abi::Result<Thread> Thread::create(const ThreadOptions& options, ThreadFunction function, void* argument) {
    ThreadBlock* block = TRY(create_block(options));
    block->function = function;
    block->argument = argument;
    Thread thread{block};
    const auto made =
        create_object(*block, options, reinterpret_cast<uint64_t>(&thread_entry), reinterpret_cast<uint64_t>(block), 0);
    if (made.ok()) return thread;
    thread.destroy();
    return made.error();
}

abi::Result<Thread> Thread::create_handler(const ThreadOptions& options) {
    ThreadBlock* block = TRY(create_block(options));
    Thread thread{block};
    const auto made = create_object(*block, options, 0, prepare_handler_stack(reinterpret_cast<uint64_t>(block)),
                                    static_cast<abi::ThreadFlags>(abi::ThreadFlag::Handler));
    if (made.ok()) return thread;
    thread.destroy();
    return made.error();
}

abi::Result<void> Thread::start(const Schedule& schedule) {
    const auto context = TRY(SchedulingContext::create(selector(), schedule.priority, ns_to_ticks(schedule.budget_ns),
                                                       ns_to_ticks(schedule.period_ns)));
    block_->scheduling_context = context.selector();
    return {};
}

void Thread::destroy() {
    if (block_ == nullptr) return;
    ThreadBlock block = *block_;
    if (block.scheduling_context != abi::null_selector) {
        static_cast<void>(Capability{block.scheduling_context}.destroy());
    }
    if (block.thread != abi::null_selector) {
        Capability thread{block.thread};
        if (!thread.destroy().ok()) thread.forget();
    }
    if (block.sleeper != abi::null_selector) static_cast<void>(Capability{block.sleeper}.destroy());
    const uint64_t slot = slot_of(*block_);
    static_cast<void>(unmap(slot + slot_stack_offset + page_size_bytes));
    release(block.stack_memory);
    release_addresses(slot, slot_bytes);
    block_ = nullptr;
}

void stop_this_thread() {
    for (;;) sleep_until(abi::no_deadline);
}

}  // namespace bulkhead::runtime
