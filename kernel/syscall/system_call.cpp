// SPDX-License-Identifier: Apache-2.0
// From registers to typed calls: the one place that decodes arguments, writes results and writes the status. What the
// calls do is in the *_calls.cpp files beside this one.
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/object/doorbell.hpp"
#include "kernel/schedule/scheduler.hpp"
#include "kernel/syscall/handlers.hpp"
#include "kernel/syscall/ipc.hpp"

namespace bulkhead::kernel {

using abi::Status;

template <typename Call, typename... Listed>
constexpr bool is_one_of = (std::is_same_v<Call, Listed> || ...);
/// Calls that leave the configuration as it is. The others have its lock before they look at anything.
template <typename Call>
constexpr bool needs_no_lock =
    is_one_of<Call, abi::Null, abi::Yield, abi::CopyCapability, abi::RemoveCapability, abi::Signal, abi::Wait,
              abi::AcknowledgeInterrupt, abi::RecallVcpu, abi::PullVcpuState, abi::PostInterrupt,
              abi::PostVirtualInterrupt, abi::ReadLog, abi::WriteLog, abi::Halt>;

/// The kernel's classes in the order of abi::ObjectType. `Object` stands for those of any type.
using Classes = std::tuple<Object, Domain, Thread, Vcpu, SchedulingContext, Portal, Notification, MemoryObject,
                           VirtualInterrupt, Doorbell, InterruptObject, PortRange, Object, Machine>;

/// Hands the call on with the objects that its arguments name, of which those before argument `at` have been found.
template <size_t at, typename Call, typename... Objects>
static Outcome<Call> handle_with(Thread& caller, const Call& call, Objects... found) {
    const auto arguments = abi::arguments_of(call);
    if constexpr (at == std::tuple_size_v<decltype(arguments)>) {
        Outcome<Call> handle(Thread&, const Call&, Objects...);  // a call without such a function is a link error
        return handle(caller, call, found...);
    } else {
        using Argument = std::remove_cvref_t<std::tuple_element_t<at, decltype(arguments)>>;
        if constexpr (requires { requires Argument::use != abi::SelectorUse::Slot; }) {
            using T = std::tuple_element_t<static_cast<size_t>(Argument::type), Classes>;
            const abi::Selector selector = std::get<at>(arguments);
            const uint64_t word = caller.domain().capabilities().read(selector);
            const bool left_out = Argument::use == abi::SelectorUse::OptionalObject && selector == abi::null_selector;
            T* object = left_out ? nullptr : TRY(ObjectTable::lookup<T>(word, Argument::rights));
            return handle_with<at + 1>(caller, call, found..., Held<T>{object, word});
        } else {
            return handle_with<at + 1>(caller, call, found...);
        }
    }
}

template <typename Call>
static Outcome<Call> check_and_handle(Thread& caller, const Call& call) {
    [[maybe_unused]] std::conditional_t<needs_no_lock<Call>, std::tuple<>, ConfigurationLock> lock;
    if constexpr (requires { call.owner; }) TRY(caller.domain().capabilities().check_empty(call.slot));
    return handle_with<0>(caller, call);
}

template <typename Call>
static void handle_call(Thread& thread) {
    auto result = check_and_handle(thread, abi::decode<Call>(thread.registers()));
    thread.frame().rax = static_cast<uint8_t>(result.ok() ? Status::Ok : result.error());
    if constexpr (!std::is_void_v<abi::Output<Call>>) {
        if (result.ok()) abi::encode(thread.registers(), result.value());
    }
}

static constexpr auto table = []<typename... Calls>(std::tuple<Calls...>*) {
    return std::array{handle_call<Calls>...};
}(static_cast<abi::AllCalls*>(nullptr));

/// Every system call that the hand-laid paths do not serve. The registers are in the thread's frame.
extern "C" [[noreturn]] void system_call(Thread& thread) {
    if (thread.frame().rsp >= abi::user_address_limit) thread.frame().rsp = 0;  // the program's loss alone
    const auto number = static_cast<abi::CallNumber>(abi::MessageTag::Call::read(thread.frame().rax));
    if (number == abi::CallNumber::Call) Ipc::call(thread);
    if (number == abi::CallNumber::Reply && thread.handler()) Ipc::reply(thread);
    if (number >= abi::CallNumber::FirstOfAllCalls && number < abi::CallNumber::Count) {
        table[static_cast<size_t>(number) - static_cast<size_t>(abi::CallNumber::FirstOfAllCalls)](thread);
    } else {
        thread.frame().rax = static_cast<uint8_t>(Status::BadCall);
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
