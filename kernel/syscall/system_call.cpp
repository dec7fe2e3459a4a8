// SPDX-License-Identifier: Apache-2.0
// From registers to typed calls: the one place that decodes arguments, writes results and writes the status. What the
// calls do is in the *_calls.cpp files beside this one.
#include <array>

#include "abi/calls.hpp"
#include "abi/message.hpp"
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/object/notification.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/schedule/scheduler.hpp"
#include "kernel/syscall/handlers.hpp"
#include "kernel/syscall/ipc.hpp"

namespace bulkhead::kernel {

template <typename Call>
static void handle_call(Thread& thread) {
    Outcome<Call> handle(Thread&, const Call&);  // a call without such a function is a link error
    auto result = handle(thread, abi::decode<Call>(thread.registers()));
    thread.frame().rax = static_cast<uint8_t>(result.ok() ? abi::Status::Ok : result.error());
    if constexpr (!std::is_void_v<abi::Output<Call>>) {
        if (result.ok()) abi::encode(thread.registers(), result.value());
    }
}

namespace {

template <typename... Calls>
constexpr auto make_table(std::tuple<Calls...>*) {
    std::array<void (*)(Thread&), static_cast<size_t>(abi::CallNumber::Count)> table{};
    ((table[static_cast<size_t>(abi::number_of<Calls>)] = handle_call<Calls>), ...);
    return table;
}
constexpr auto table = make_table(static_cast<abi::AllCalls*>(nullptr));

}  // namespace

/// Every system call that the hand-laid paths do not serve. The registers are in the thread's frame.
extern "C" [[noreturn]] void system_call(Thread& thread) {
    if (thread.frame().rsp >= abi::user_address_limit) thread.frame().rsp = 0;  // the program's loss alone
    const auto number = abi::MessageTag::Call::read(thread.frame().rax);
    if (number == static_cast<uint8_t>(abi::CallNumber::Call)) Ipc::call(thread);
    if (number == static_cast<uint8_t>(abi::CallNumber::Reply)) Ipc::reply(thread);
    if (number < table.size()) {
        table[number](thread);
    } else {
        thread.frame().rax = static_cast<uint8_t>(abi::Status::BadCall);
    }
    Scheduler::current().leave_kernel();
}

// For the hand-laid paths of Signal and Wait.
extern "C" void signal_waiter(Notification& notification, uint64_t bits) { notification.signal(bits); }
extern "C" void look_for_waiter(Notification& notification, uint64_t bits) { notification.look_for_waiter(bits); }
extern "C" void limit_running_turn() { Scheduler::current().limit_turn(); }
extern "C" [[noreturn]] void leave_kernel() { Scheduler::current().leave_kernel(); }
extern "C" [[noreturn]] void choose_next(uint64_t now) { Scheduler::current().choose(now); }
extern "C" [[noreturn]] void choose_behind_slice(SchedulingContext& context, uint64_t now) {
    context.begin_slice();
    choose_next(now);
}
extern "C" [[noreturn]] void return_to_running(Thread& thread) { return_to_thread(Cpu::current(), thread); }

extern "C" uint64_t saved_user_stacks[][8];

/// A SYSCALL of a program that is not this system's. All registers but RSP are in the frame.
extern "C" [[noreturn]] void foreign_system_call_of(Thread& thread) {
    thread.frame().rsp = saved_user_stacks[Cpu::current().id][0];
    Ipc::exception(thread, abi::foreign_system_call_label);
}

}  // namespace bulkhead::kernel
