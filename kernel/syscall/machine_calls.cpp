// SPDX-License-Identifier: Apache-2.0
// Calls about the machine: log, interrupts, halt.

#include "kernel/debug/log.hpp"
#include "kernel/platform/halt.hpp"
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using namespace abi;  // the calls and their arguments

static std::span<char> buffer_text(Thread& thread) {
    return {reinterpret_cast<char*>(thread.message_buffer().words), sizeof(abi::MessageBuffer::words)};
}

/// Who wants to know of new log text: a capability word, so that it may go stale. Written under the configuration lock.
static std::atomic<uint64_t> log_listener{0};
static std::atomic<uint64_t> log_listener_bits{0};

Outcome<CreateInterrupt> handle(Thread& caller, const CreateInterrupt& call, Held<Machine>, Held<Domain> owner,
                                Held<Notification> notification) {
    if (call.trigger > InterruptTrigger::LevelLow) return Status::BadArgument;
    InterruptObject* interrupt = TRY(owner->make<InterruptObject>(*notification, call.bits));
    TRY(caller.domain().publish(call.slot, *interrupt));
    const abi::Result<void> bound = interrupt->bind(call.line, call.cpu, call.trigger);
    if (bound.ok()) return bound;
    (void)caller.domain().capabilities().clear(call.slot);
    bury(*interrupt, bound.error());
    return ConfigurationLock::run();
}

Outcome<AcknowledgeInterrupt> handle(Thread&, const AcknowledgeInterrupt&, Held<InterruptObject> interrupt) {
    interrupt->acknowledge();
    return {};
}

Outcome<ReadLog> handle(Thread& caller, const ReadLog& call, Held<Machine>) {
    uint64_t position = call.position;
    const size_t size = log_read(position, buffer_text(caller));
    return ReadLog::Output{.position = position, .size = size};
}

Outcome<WriteLog> handle(Thread& caller, const WriteLog& call, Held<Machine>) {
    const std::span<char> text = buffer_text(caller);
    if (call.size > text.size()) return Status::BadArgument;
    log_text({text.data(), call.size});
    auto* listener = object_cast<Notification>(ObjectTable::find(log_listener.load(std::memory_order_relaxed)));
    if (listener != nullptr) listener->signal(log_listener_bits.load(std::memory_order_relaxed));
    return {};
}

Outcome<SetLogOutput> handle(Thread&, const SetLogOutput& call, Held<Machine>, Held<Notification> notification) {
    log_listener_bits.store(call.bits, std::memory_order_relaxed);
    log_listener.store(notification.word, std::memory_order_relaxed);
    return SetLogOutput::Output{log_switch_uart(call.uart)};
}

Outcome<Halt> handle(Thread&, const Halt& call, Held<Machine>) {
    end_run(call.status);
    return Status::NotSupported;
}

}  // namespace bulkhead::kernel
