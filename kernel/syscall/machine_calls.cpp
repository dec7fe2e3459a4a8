// SPDX-License-Identifier: Apache-2.0
// Calls about the machine: log, interrupts, halt.
#include <span>

#include "abi/message.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/object/configuration_lock.hpp"
#include "kernel/object/create.hpp"
#include "kernel/object/interrupt.hpp"
#include "kernel/object/machine.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/platform/debug_uart.hpp"
#include "kernel/platform/halt.hpp"
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using abi::MachineRight;
using abi::Status;

namespace {

std::span<char> buffer_text(Thread& thread) {
    return {reinterpret_cast<char*>(thread.message_buffer().words), sizeof(abi::MessageBuffer::words)};
}

/// Who wants to know of new log text: a capability word, so that it may go stale. Written under the configuration lock.
std::atomic<uint64_t> log_listener{0};
std::atomic<uint64_t> log_listener_bits{0};

void tell_log_listener() {
    const uint64_t word = log_listener.load(std::memory_order_relaxed);
    Object* object = word != 0 ? ObjectTable::find(word) : nullptr;
    auto* notification = object_cast<Notification>(object);
    if (notification != nullptr) notification->signal(log_listener_bits.load(std::memory_order_relaxed));
}

}  // namespace

Outcome<abi::CreateInterrupt> handle(Thread& caller, const abi::CreateInterrupt& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller.domain(), call));
    TRY(caller.domain().lookup<Machine>(call.machine, MachineRight::Interrupts));
    Notification* notification =
        TRY(caller.domain().lookup<Notification>(call.notification, abi::NotificationRight::Signal));
    if (call.trigger > abi::InterruptTrigger::LevelLow) return Status::BadArgument;
    InterruptObject* interrupt = TRY(make_object<InterruptObject>(*owner, *notification, call.bits));
    TRY(publish(caller.domain(), call.slot, *interrupt));
    const abi::Result<void> bound = interrupt->bind(call.line, call.cpu, call.trigger);
    if (!bound.ok()) {
        (void)caller.domain().capabilities().clear(call.slot);
        return lock.run(Graveyard::bury(*interrupt, bound.error()));
    }
    return bound;
}

Outcome<abi::AcknowledgeInterrupt> handle(Thread& caller, const abi::AcknowledgeInterrupt& call) {
    InterruptObject* interrupt =
        TRY(caller.domain().lookup<InterruptObject>(call.interrupt, abi::InterruptRight::Acknowledge));
    interrupt->acknowledge();
    return {};
}

Outcome<abi::ReadLog> handle(Thread& caller, const abi::ReadLog& call) {
    TRY(caller.domain().lookup<Machine>(call.machine, MachineRight::Log));
    uint64_t position = call.position;
    const size_t size = log_read(position, buffer_text(caller));
    return abi::ReadLog::Output{.position = position, .size = size};
}

Outcome<abi::WriteLog> handle(Thread& caller, const abi::WriteLog& call) {
    TRY(caller.domain().lookup<Machine>(call.machine, MachineRight::Log));
    const std::span<char> text = buffer_text(caller);
    if (call.size > text.size()) return Status::BadArgument;
    log_text({text.data(), call.size});
    tell_log_listener();
    return {};
}

Outcome<abi::SetLogOutput> handle(Thread& caller, const abi::SetLogOutput& call) {
    ConfigurationLock lock;
    TRY(caller.domain().lookup<Machine>(call.machine, MachineRight::Log));
    uint64_t word = 0;
    if (call.notification != abi::null_selector) {
        TRY(caller.domain().lookup<Notification>(call.notification, abi::NotificationRight::Signal));
        word = caller.domain().capabilities().read(call.notification);
    }
    log_listener_bits.store(call.bits, std::memory_order_relaxed);
    log_listener.store(word, std::memory_order_relaxed);
    return abi::SetLogOutput::Output{log_switch_uart(call.uart)};
}

Outcome<abi::Halt> handle(Thread& caller, const abi::Halt& call) {
    TRY(caller.domain().lookup<Machine>(call.machine, MachineRight::Halt));
    system_halt(call.status);
}

}  // namespace bulkhead::kernel
