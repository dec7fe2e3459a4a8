// SPDX-License-Identifier: Apache-2.0
#include "kernel/syscall/ipc.hpp"

#include <cstring>

#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/object/vcpu.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

using abi::CapabilityWord;
using abi::MessageTag;
using abi::Register;
using abi::Status;
using State = ExecutionContext::State;

/// The longest chain of calls that is followed: bounds the time with interrupts off.
constexpr unsigned maximum_chain = 64;

[[noreturn]] static void fail(ExecutionContext& caller, Status status) {
    caller.set_state(State::Ready);
    caller.finish_call(status, {});
    Scheduler::current().leave_kernel();
}

/// Copies capabilities into the receiver's window, all or none. Both buffers are user memory: each field is read once.
static abi::Result<void> transfer_items(Thread& from, Thread& to, unsigned count) {
    const abi::Selector window = to.message_buffer().receive_window;
    if (to.message_buffer().receive_window_slots < count) return Status::BadBuffer;
    CapabilitySpace& target = to.domain().capabilities();
    for (unsigned i = 0; i < count; ++i) {
        const abi::CapabilityItem item = from.message_buffer().items[i];
        const uint64_t word = from.domain().capabilities().read(item.selector);
        const auto rights = static_cast<abi::Rights>(CapabilityWord::RightsField::read(word) & item.rights);
        const bool live = ObjectTable::find(word) != nullptr;
        if (!live || !target.fill(window + i, CapabilityWord::RightsField::write(word, rights)).ok()) {
            while (i-- > 0) (void)target.clear(window + i);
            return Status::BadBuffer;
        }
        to.message_buffer().items[i] = {window + i, rights, 0};
    }
    return {};
}

/// Moves buffer words and capabilities. The sender's tag becomes what the receiver sees, with status Ok.
[[gnu::always_inline]] static inline abi::Result<void> transfer(Thread& from, Thread& to, uint64_t& tag) {
    const uint64_t sent = std::exchange(tag, tag & MessageTag::Label::mask);
    if ((sent & MessageTag::slow_mask) == 0) return {};
    const uint16_t words = MessageTag::BufferWords::read(sent);
    const uint8_t items = MessageTag::Items::read(sent);
    if (words > abi::max_buffer_words || items > abi::max_items) return Status::BadBuffer;
    if (items != 0) TRY(transfer_items(from, to, items));
    std::memcpy(to.message_buffer().words, from.message_buffer().words, words * sizeof(uint64_t));
    tag |= MessageTag::BufferWords::make(words) | MessageTag::Items::make(items);
    return {};
}

/// The portal that the call of a context is for.
abi::Result<Portal*> Ipc::wanted_portal(ExecutionContext& caller) {
    uint64_t word = 0;
    if (caller.is_vcpu()) {
        word = static_cast<Vcpu&>(caller).portal_word_;
    } else if (auto& thread = static_cast<Thread&>(caller); thread.in_exception()) {
        word = thread.exception_portal_;
    } else {
        word = thread.domain().capabilities().read(static_cast<abi::Selector>(thread.frame().rdi));
    }
    auto* portal = TRY(ObjectTable::lookup<Portal>(word, abi::PortalRight::Call));
    if (portal->handler().cpu() != caller.cpu()) return Status::WrongCpu;
    return portal;
}

void Ipc::call(Thread& caller) {
    auto portal = wanted_portal(caller);
    if (!portal.ok()) fail(caller, portal.error());
    Thread& handler = portal.value()->handler();
    if (MessageTag::HasDeadline::read(caller.frame().rax)) {
        const uint64_t deadline = caller.message_buffer().deadline;
        if (deadline <= read_tsc()) fail(caller, Status::TimedOut);
        caller.arm_deadline(deadline);
    }
    if (handler.state() != State::Idle) help(caller, handler);
    abi::Registers message = caller.registers();
    auto sent = transfer(caller, handler, message[Register::Rax]);
    if (!sent.ok()) fail(caller, sent.error());
    deliver(caller, *portal.value(), message);
}

/// Switches to the idle handler, which takes over the caller's scheduling context. `message` holds the words and the
/// tag as they shall arrive.
void Ipc::deliver(ExecutionContext& caller, const Portal& portal, const abi::Registers& message) {
    Thread& handler = portal.handler();
    caller.set_state(State::InCall);
    caller.callee_ = &handler;
    handler.caller_ = &caller;
    handler.donated_ = caller.donated_;
    handler.set_state(State::Ready);
    handler.registers() = message;
    RegisterFrame& frame = handler.frame();
    frame.rdi = portal.badge();
    frame.rip = portal.entry();
    frame.rsp = handler.stack_;
    frame.rbp = frame.rcx = frame.rdx = frame.r11 = 0;
    Scheduler::current().switch_to(handler);
}

void Ipc::call_from_vcpu(Vcpu& vcpu) {
    auto portal = wanted_portal(vcpu);
    if (!portal.ok()) vcpu.block(State::Waiting);
    Thread& handler = portal.value()->handler();
    if (handler.state() != State::Idle) help(vcpu, handler);
    deliver(vcpu, *portal.value(), vcpu.exit_);
}

/// The hand-laid path of a reply to a vCPU has made the handler idle and the vCPU running.
extern "C" [[noreturn]] void reply_to_vcpu(Vcpu& vcpu, const abi::Registers& reply) {
    vcpu.finish_call(Status::Ok, reply);
    Scheduler::current().leave_kernel();
}

void Ipc::reply(Thread& handler) {
    Scheduler& scheduler = Scheduler::current();
    ExecutionContext* caller = handler.caller_;
    SchedulingContext* lent = handler.donated_;
    if (caller != nullptr) {
        abi::Registers message = handler.registers();
        Status status = Status::Ok;
        auto* thread = object_cast<Thread>(caller);
        if (thread != nullptr && !thread->in_exception())
            status = transfer(handler, *thread, message[Register::Rax]).error();
        caller->set_state(State::Ready);
        caller->finish_call(status, message);
    }
    handler.caller_ = nullptr;
    handler.donated_ = nullptr;
    handler.set_state(State::Idle);
    if (lent != nullptr && lent == handler.own_) lent->rest();
    // Whoever was parked on this handler while it waited helps no more and calls now; none is left when it runs.
    if (caller != nullptr && lent == scheduler.running_on()) scheduler.switch_to(*caller);
    if (caller != nullptr && lent != nullptr) lent->active_ = caller;
    scheduler.preempt();
    scheduler.leave_kernel();
}

/// Who must run for the busy handler to become free; null if that is the caller itself, or the chain is too long.
ExecutionContext* Ipc::end_of_chain(const ExecutionContext& caller, Thread& busy) {
    ExecutionContext* member = &busy;
    for (unsigned length = 0; length < maximum_chain; ++length) {
        if (member == &caller) return nullptr;
        if (member->state() == State::InCall) {
            member = member->callee_;
        } else if (member->state() == State::Helping) {
            const auto wanted = wanted_portal(*member);
            if (!wanted.ok() || wanted.value()->handler().state() == State::Idle) return member;
            member = &wanted.value()->handler();
        } else {
            return member;
        }
    }
    return nullptr;
}

void Ipc::help(ExecutionContext& caller, Thread& busy) {
    ExecutionContext* end = end_of_chain(caller, busy);
    if (end == nullptr) fail(caller, Status::Cycle);
    Scheduler& scheduler = Scheduler::current();
    caller.set_state(State::Helping);
    if (caller.donated_ != nullptr) caller.donated_->active_ = &caller;
    if (end->can_run()) scheduler.switch_to(*end);
    // It waits for something else: so does this scheduling context, and then calls again.
    if (SchedulingContext* waiting = scheduler.running_on(); waiting != nullptr) end->park(*waiting);
    scheduler.preempt();
    scheduler.leave_kernel();
}

void Ipc::exception(Thread& thread, uint32_t label) {
    thread.set_slow_flag(Thread::SlowFlag::Exception, true);
    auto portal = wanted_portal(thread);
    if (!portal.ok()) {
        const RegisterFrame& frame = thread.frame();
        log("thread stopped by exception {} (error {x}) at {x}, address {x}: no exception portal", label,
            frame.error_code, frame.rip, thread.fault_address_);
        thread.block(State::Stopped);
    }
    thread.frame().vector = label;
    Thread& handler = portal.value()->handler();
    if (handler.state() != State::Idle) help(thread, handler);
    static_assert(sizeof(RegisterFrame) == sizeof(abi::ExceptionFrame));
    std::memcpy(handler.message_buffer().words, &thread.frame(), sizeof(RegisterFrame));
    abi::Registers message{};
    message[Register::Rax] =
        MessageTag::Label::make(label) | MessageTag::BufferWords::make(sizeof(RegisterFrame) / sizeof(uint64_t));
    message[Register::Rsi] = thread.frame().error_code;
    message[Register::R8] = thread.frame().rip;
    message[Register::R9] = thread.fault_address_;
    message[Register::R10] = thread.frame().rsp;
    message[Register::Rbx] = thread.frame().rflags;
    deliver(thread, *portal.value(), message);
}

void Ipc::finish_exception(Thread& thread, Status status, const abi::Registers& reply) {
    thread.set_slow_flag(Thread::SlowFlag::Exception, false);
    const uint64_t tag = reply[Register::Rax];
    const auto verdict = static_cast<abi::ExceptionReply>(MessageTag::Label::read(tag));
    if (status == Status::Ok && verdict == abi::ExceptionReply::Resume) return;
    if (status == Status::Ok && verdict == abi::ExceptionReply::ResumeWithFrame &&
        MessageTag::BufferWords::read(tag) >= sizeof(abi::ExceptionFrame) / sizeof(uint64_t)) {
        abi::ExceptionFrame wanted;
        std::memcpy(&wanted, thread.callee_->message_buffer().words, sizeof wanted);
        return thread.set_user_registers(wanted);
    }
    thread.set_state(State::Stopped);
}

}  // namespace bulkhead::kernel
