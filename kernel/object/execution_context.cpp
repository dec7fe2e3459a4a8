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
    if (parked_.first() == nullptr) return;
    if (SchedulingContext* only = parked_.take_only(); only != nullptr) return Scheduler::current().enqueue(*only);
    wake_helpers();
}

void ExecutionContext::wake_helpers() {
    while (SchedulingContext* waiting = parked_.first()) {
        unpark(*waiting);
        Scheduler::current().enqueue(*waiting);
    }
}

void ExecutionContext::leave_call() {
    Thread* handler = callee_;
    callee_ = nullptr;
    if (state_ != State::InCall || handler == nullptr) return;
    SchedulingContext* lent = donated_;
    handler->caller_ = nullptr;
    // Every member of the chain from the handler on ran on what was lent; it goes on as an orphan.
    for (ExecutionContext* member = handler; member != nullptr && member->donated_ == lent; member = member->callee_) {
        member->donated_ = nullptr;
        Scheduler& scheduler = Scheduler::current();
        if (scheduler.running() == member && scheduler.running_on() == lent) scheduler.abandon_running();
        // It may wait for somebody else: a helper of another chain.
        if (lent != nullptr && lent->state_ == SchedulingContext::State::Parked && lent->parked_on_ == member &&
            member->state_ != State::InCall) {
            member->unpark(*lent);
            lent->active_ = this;
            scheduler.enqueue(*lent);
        }
        if (member->state_ != State::InCall) break;
    }
    if (lent != nullptr) lent->active_ = this;
    handler->use_fallback();
}

void ExecutionContext::use_fallback() {
    if (own_ == nullptr || donated_ != nullptr || state_ == State::Idle) return;
    // Whoever it waits for works for it.
    ExecutionContext* member = this;
    for (; member->state_ == State::InCall && member->callee_ != nullptr; member = member->callee_) member->donated_ = own_;
    member->donated_ = own_;
    own_->active_ = member;
    Scheduler::current().enqueue(*own_);
}

void ExecutionContext::leave_chains() {
    Scheduler& scheduler = Scheduler::current();
    leave_call();
    state_ = State::Dead;
    if (ExecutionContext* waiting = caller_; waiting != nullptr) {
        caller_ = nullptr;
        waiting->callee_ = nullptr;
        waiting->state_ = State::Ready;
        if (donated_ != nullptr) donated_->active_ = waiting;
        waiting->finish_call(abi::Status::Aborted, {});
    } else if (donated_ != nullptr && donated_->active_ == this) {
        donated_->active_ = nullptr;
    }
    // Whoever waited for this context tries again and finds it gone.
    while (SchedulingContext* waiting = parked_.first()) {
        unpark(*waiting);
        if (waiting->active_ != nullptr) {
            scheduler.enqueue(*waiting);
        } else {
            waiting->state_ = SchedulingContext::State::Unbound;
        }
    }
    if (own_ != nullptr) own_->unbind();
    if (scheduler.running() == this) scheduler.abandon_running();
    donated_ = nullptr;
}

}  // namespace bulkhead::kernel
