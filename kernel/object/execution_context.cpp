// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/execution_context.hpp"

#include "kernel/object/domain.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

ExecutionContext::ExecutionContext(abi::ObjectType type, Domain& owner, uint32_t cpu, uint32_t slow_flags)
    : Object{type, &owner, nullptr},
      slow_flags_{slow_flags},
      cpu_{static_cast<uint16_t>(cpu)},
      space_root_{owner.space().root()},
      slots_{owner.capabilities().slots()},
      slot_count_{owner.capabilities().slot_count()} {}

void ExecutionContext::make_ready() {
    state_ = State::Ready;
    SchedulingContext* first = parked_.first();
    if (first == nullptr) return;
    if (first->next_ != first) return wake_helpers();
    parked_.remove(*first);
    Scheduler::current().enqueue(*first);
}

void ExecutionContext::wake_helpers() {
    while (SchedulingContext* waiting = parked_.first()) waiting->unpark();
}

void ExecutionContext::block(State state) {
    Scheduler& scheduler = Scheduler::current();
    state_ = state;
    if (scheduler.running_on() != nullptr) park(*scheduler.running_on());
    scheduler.preempt();
    scheduler.leave_kernel();
}

void ExecutionContext::leave_call() {
    SchedulingContext* time = donated_;
    if (state_ == State::InCall) {
        callee_->caller_ = nullptr;
        callee_->go_on_alone();
    }
    if (time == nullptr) return;
    time->active_ = this;
    if (time->state_ == SchedulingContext::State::Parked) time->unpark();
    if (Scheduler::current().running_on() == time) Scheduler::current().preempt();
}

void ExecutionContext::abort_call(abi::Status status) {
    leave_call();
    state_ = State::Ready;
    finish_call(status, {});
}

void ExecutionContext::go_on_alone() {
    ExecutionContext* member = this;
    for (; member->state_ == State::InCall; member = member->callee_) member->donated_ = own_;
    member->donated_ = own_;
    if (own_ == nullptr) return;
    own_->active_ = member;
    Scheduler::current().enqueue(*own_);
}

void ExecutionContext::leave_chains() {
    leave_call();
    make_ready();  // whoever waited for this context tries again and finds it gone
    state_ = State::Dead;
    if (caller_ != nullptr) caller_->abort_call(abi::Status::Aborted);
    if (own_ != nullptr) own_->unbind();
    donated_ = nullptr;
    if (Scheduler::current().running() == this) Scheduler::current().preempt();
}

}  // namespace bulkhead::kernel
