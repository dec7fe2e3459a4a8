// SPDX-License-Identifier: Apache-2.0
// Calls about the machine: log, interrupts, halt.

#include "kernel/debug/log.hpp"
#include "kernel/platform/halt.hpp"
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using abi::MachineRight;
using abi::Status;

static std::span<char> buffer_text(Thread& thread) {
    return {reinterpret_cast<char*>(thread.message_buffer().words), sizeof(abi::MessageBuffer::words)};
}

/// Who wants to know of new log text: a capability word, so that it may go stale. Written under the configuration lock.
static std::atomic<uint64_t> log_listener{0};
static std::atomic<uint64_t> log_listener_bits{0};

static void tell_log_listener() {
    auto* notification = object_cast<Notification>(ObjectTable::find(log_listener.load(std::memory_order_relaxed)));
    if (notification != nullptr) notification->signal(log_listener_bits.load(std::memory_order_relaxed));
}

Outcome<abi::CreateInterrupt> handle(Thread& caller, const abi::CreateInterrupt& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    TRY(lookup<Machine>(caller, call.machine, MachineRight::Interrupts));
    Notification* notification = TRY(lookup<Notification>(caller, call.notification, abi::NotificationRight::Signal));
    if (call.trigger > abi::InterruptTrigger::LevelLow) return Status::BadArgument;
    InterruptObject* interrupt = TRY(owner->make<InterruptObject>(*notification, call.bits));
    TRY(caller.domain().publish(call.slot, *interrupt));
    const abi::Result<void> bound = interrupt->bind(call.line, call.cpu, call.trigger);
    if (!bound.ok()) {
        (void)caller.domain().capabilities().clear(call.slot);
        bury(*interrupt, bound.error());
        return lock.run();
    }
    return bound;
}

Outcome<abi::AcknowledgeInterrupt> handle(Thread& caller, const abi::AcknowledgeInterrupt& call) {
    TRY(lookup<InterruptObject>(caller, call.interrupt, abi::InterruptRight::Acknowledge))->acknowledge();
    return {};
}

Outcome<abi::ReadLog> handle(Thread& caller, const abi::ReadLog& call) {
    TRY(lookup<Machine>(caller, call.machine, MachineRight::Log));
    uint64_t position = call.position;
    const size_t size = log_read(position, buffer_text(caller));
    return abi::ReadLog::Output{.position = position, .size = size};
}

Outcome<abi::WriteLog> handle(Thread& caller, const abi::WriteLog& call) {
    TRY(lookup<Machine>(caller, call.machine, MachineRight::Log));
    const std::span<char> text = buffer_text(caller);
    if (call.size > text.size()) return Status::BadArgument;
    log_text({text.data(), call.size});
    tell_log_listener();
    return {};
}

Outcome<abi::SetLogOutput> handle(Thread& caller, const abi::SetLogOutput& call) {
    ConfigurationLock lock;
    TRY(lookup<Machine>(caller, call.machine, MachineRight::Log));
    uint64_t word = 0;
    if (call.notification != abi::null_selector) {
        TRY(lookup<Notification>(caller, call.notification, abi::NotificationRight::Signal));
        word = caller.domain().capabilities().read(call.notification);
    }
    log_listener_bits.store(call.bits, std::memory_order_relaxed);
    log_listener.store(word, std::memory_order_relaxed);
    return abi::SetLogOutput::Output{log_switch_uart(call.uart)};
}

Outcome<abi::Halt> handle(Thread& caller, const abi::Halt& call) {
    TRY(lookup<Machine>(caller, call.machine, MachineRight::Halt));
    end_run(call.status);
    return Status::NotSupported;
}

}  // namespace bulkhead::kernel
