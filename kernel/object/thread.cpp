// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/thread.hpp"

#include <cstring>

#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/notification.hpp"
#include "kernel/schedule/scheduler.hpp"
#include "kernel/syscall/ipc.hpp"

namespace bulkhead::kernel {

Thread::Thread(Domain& owner, const abi::CreateThread& wanted, uint64_t exception_portal)
    : ExecutionContext{object_type, owner, wanted.cpu, owner.io_bitmap() != nullptr ? SlowFlag::Ports : 0},
      message_buffer_mapping_{*Range::create(wanted.message_buffer, page_size_bytes)},
      stack_{wanted.stack},
      deadline_{deadline_passed, this},
      exception_portal_{exception_portal},
      handler_{Flags<abi::ThreadFlag>::from_word(wanted.flags).has(abi::ThreadFlag::Handler)} {
    initialise_user_frame(frame_, wanted.entry, wanted.stack, Cpu::at(wanted.cpu).kernel_stack_top);
    frame().rdi = wanted.argument;
    if (handler_) set_state(State::Idle);
}

abi::Result<Thread*> Thread::create(Domain& owner, const abi::CreateThread& wanted, uint64_t exception_portal) {
    const auto flags = Flags<abi::ThreadFlag>::from_word(wanted.flags);
    const bool flags_ok = Flags{abi::ThreadFlag::Handler, abi::ThreadFlag::UsesFpu}.contains(flags);
    const bool addresses_ok = wanted.entry < abi::user_address_limit && wanted.stack <= abi::user_address_limit &&
                              wanted.message_buffer < abi::user_address_limit;
    if (owner.is_guest() || wanted.cpu >= cpu_count() || !addresses_ok || !flags_ok) return abi::Status::BadArgument;
    return owner.make<Thread>(wanted, exception_portal);
}

abi::Result<void> Thread::initialise(const abi::CreateThread& wanted, uint64_t) {
    void* buffer = TRY(domain().heap().allocate_pages(0));
    message_buffer_ = static_cast<abi::MessageBuffer*>(buffer);
    if (Flags<abi::ThreadFlag>::from_word(wanted.flags).has(abi::ThreadFlag::UsesFpu)) {
        fpu_ = TRY(FpuState::create(domain()));
        set_slow_flag(SlowFlag::Fpu, true);
    }
    return domain().space().map_kernel_page(message_buffer_mapping_, physical_of(buffer), {.write = true});
}

void Thread::resume() {
    if (state() == State::Helping) {
        set_state(State::Ready);
        if (in_exception()) Ipc::exception(*this, static_cast<uint32_t>(frame().vector));
        Ipc::call(*this);
    }
    return_to_thread(Cpu::current(), *this);
}

void Thread::finish_call(abi::Status status, const abi::Registers& reply) {
    disarm_deadline();
    if (in_exception()) return Ipc::finish_exception(*this, status, reply);
    // The hand-laid path of a call saved nothing but RSP: what else the stub page returns with is made here.
    prepare_return_from_stub(frame());
    registers() = reply;
    frame().rax = abi::MessageTag::Call::write(reply[abi::Register::Rax], static_cast<uint8_t>(status));
}

void Thread::woken() {
    if (state() != State::Waiting) return;
    if (uint64_t bits = waiting_for_->take(wait_mask()); bits != 0) end_wait(abi::Status::Ok, bits);
}

void Thread::wait(Notification& notification, uint64_t mask, uint64_t deadline) {
    auto leave_with = [&](abi::Status status, uint64_t bits) {
        frame().rax = static_cast<uint8_t>(status);
        frame().rsi = bits;
        Scheduler::current().leave_kernel();
    };
    for (;;) {
        if (uint64_t bits = notification.take(mask); bits != 0) leave_with(abi::Status::Ok, bits);
        if (deadline != abi::no_deadline && deadline <= read_tsc()) leave_with(abi::Status::TimedOut, 0);
        wait_mask_.store(mask, std::memory_order_relaxed);
        if (!notification.attach(*this)) leave_with(abi::Status::Busy, 0);
        if (!notification.has(mask)) break;
        notification.detach();  // a signal came before the waiter was there to be seen
    }
    waiting_for_ = &notification;
    if (deadline != abi::no_deadline) arm_deadline(deadline);
    block(State::Waiting);
}

void Thread::end_wait(abi::Status status, uint64_t bits) {
    waiting_for_->detach();
    disarm_deadline();
    frame().rax = static_cast<uint8_t>(status);
    frame().rsi = bits;
    make_ready();
}

void Thread::arm_deadline(uint64_t time) {
    set_slow_flag(SlowFlag::Deadline, true);
    Scheduler::current().timers().arm(deadline_, time);
}

void Thread::disarm_deadline() {
    if ((slow_flags_ & SlowFlag::Deadline) == 0) return;
    set_slow_flag(SlowFlag::Deadline, false);
    Scheduler::current().timers().cancel(deadline_);
}

void Thread::deadline_passed(Deadline& deadline) {
    Thread& self = deadline.owner<Thread>();
    if (self.state() == State::Waiting) return self.end_wait(abi::Status::TimedOut, 0);
    self.abort_call(abi::Status::TimedOut);
}

void Thread::retire() {
    ConfigurationLock::forget(*this);
    if (state() == State::Waiting) waiting_for_->detach();
    disarm_deadline();
    leave_chains();
}

void Thread::release() {
    if (message_buffer_mapping_.space() != nullptr) (void)owner()->space().remove(message_buffer_mapping_);
    owner()->heap().free_pages(message_buffer_, 0);
    if (fpu_ != nullptr) fpu_->destroy(*owner());
}

void Thread::set_user_registers(const abi::ExceptionFrame& wanted) {
    RegisterFrame& registers = frame();
    const RegisterFrame old = registers;
    std::memcpy(&registers, &wanted, sizeof registers);
    registers.cs = old.cs;
    registers.ss = old.ss;
    constexpr uint64_t changeable = x86::Rflags::user_changeable;
    registers.rflags = (old.rflags & ~changeable) | (wanted.rflags & changeable);
    if (registers.rip >= abi::user_address_limit) registers.rip = 0;  // faults there
}

}  // namespace bulkhead::kernel
