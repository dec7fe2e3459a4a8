// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/scheduling_context.hpp"

#include "kernel/object/execution_context.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

SchedulingContext::SchedulingContext(Domain& owner, ExecutionContext& target, const Parameters& parameters)
    : Object{object_type, &owner, nullptr},
      cpu_{target.cpu_},
      root_{&target},
      active_{&target},
      slice_left_{Scheduler::slice_ticks()},
      deadline_{replenish, this} {
    set(parameters);
}

abi::Result<void> SchedulingContext::check(const Parameters& parameters) {
    const bool sane = parameters.budget >= minimum_budget && parameters.budget <= parameters.period &&
                      parameters.period < abi::no_deadline / 4;
    if (!sane && parameters.budget != 0) return abi::Status::BadArgument;
    return {};
}

void SchedulingContext::start() {
    root_->own_ = this;
    state_ = State::Resting;
    if (root_->state_ != ExecutionContext::State::Idle && root_->donated_ == nullptr) root_->go_on_alone();
}

void SchedulingContext::set(const Parameters& parameters) {
    const State before = state_;
    if (before == State::Ready || before == State::Depleted) rest();
    priority_ = parameters.priority;
    budget_ = parameters.budget;
    period_ = parameters.period;
    plain_ = budget_ == 0 && root_ != nullptr && !root_->is_vcpu();
    remaining_ = parameters.budget;
    replenishments_.clear();
    if (state_ != before) Scheduler::current().enqueue(*this);
    if (state_ == State::Running) Scheduler::current().preempt();
}

void SchedulingContext::retire() {
    if (root_ != nullptr) {
        // The thread stays where it is, without the right to run; a call it made on this time has failed.
        ExecutionContext& root = *root_;
        root.own_ = nullptr;
        if (root.donated_ == this) {
            if (root.state_ == ExecutionContext::State::InCall) root.abort_call(abi::Status::Aborted);
            root.donated_ = nullptr;
        }
    }
    unbind();
}

void SchedulingContext::rest() {
    Scheduler& scheduler = Scheduler::current();
    scheduler.timers().cancel(deadline_);
    if (state_ == State::Ready) scheduler.dequeue(*this);
    if (state_ == State::Parked) parked_on_->parked_.remove(*this);
    state_ = State::Resting;
}

void SchedulingContext::unpark() {
    parked_on_->parked_.remove(*this);
    Scheduler::current().enqueue(*this);
}

void SchedulingContext::unbind() {
    rest();
    if (Scheduler::current().running_on() == this) Scheduler::current().preempt();
    state_ = State::Unbound;
    root_ = nullptr;
    active_ = nullptr;
}

void SchedulingContext::begin_slice() { slice_left_ = Scheduler::slice_ticks(); }

void SchedulingContext::charge(uint64_t ticks) {
    const uint64_t used = ticks < remaining_ ? ticks : remaining_, time = started_ + period_;
    if (used == 0) return;
    remaining_ -= used;
    if (replenishments_.push_back({time, used})) return;
    // No room: what is given back last comes still later, which never exceeds the budget of any period.
    replenishments_.back().time = time;
    replenishments_.back().amount += used;
}

void SchedulingContext::take_due_replenishments(uint64_t now) {
    size_t kept = 0;
    for (const Replenishment& replenishment : replenishments_) {
        const bool due = replenishment.time <= now;
        if (due) remaining_ += replenishment.amount;
        if (!due) replenishments_[kept++] = replenishment;
    }
    while (replenishments_.size() > kept) replenishments_.pop_back();
}

void SchedulingContext::arm_replenishment() {
    ASSERT(!replenishments_.empty());  // what was used is in one of them
    state_ = State::Depleted;
    Scheduler::current().timers().arm(deadline_, replenishments_[0].time);
}

void SchedulingContext::replenish(Deadline& deadline) {
    SchedulingContext& self = deadline.owner<SchedulingContext>();
    Scheduler::current().enqueue(self);  // takes what is due when it is chosen
}

}  // namespace bulkhead::kernel
