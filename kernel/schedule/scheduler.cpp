// SPDX-License-Identifier: Apache-2.0
#include "kernel/schedule/scheduler.hpp"

#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/object/vcpu.hpp"
#include "kernel/platform/timer.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

Scheduler::Scheduler(Cpu& cpu) : cpu_{cpu}, slice_{turn_over, this} {}

void Scheduler::initialise(Cpu& cpu) {
    static_assert(sizeof(Scheduler) <= page_size_bytes);
    const std::optional<PhysicalAddress> page = allocate_pages();
    ASSERT(page.has_value());  // the pool is at least 16 MiB at boot
    cpu.scheduler = new (direct_map(*page)) Scheduler{cpu};
}

uint64_t Scheduler::slice_ticks() { return tsc_hz() / slice_hz; }
Scheduler& Scheduler::current() { return *Cpu::current().scheduler; }
ExecutionContext* Scheduler::running() const { return cpu_.running; }
SchedulingContext* Scheduler::running_on() const { return cpu_.running_on; }

void Scheduler::enqueue(SchedulingContext& context) {
    const uint8_t priority = context.priority_;
    context.state_ = SchedulingContext::State::Ready;
    if (!context.plain_ && context.root_->is_vcpu()) static_cast<Vcpu*>(context.root_)->starts_waiting();
    ready_.push(context, false);
    const SchedulingContext* running_on = cpu_.running_on;
    if (running_on == nullptr || running_on->priority_ < priority) {
        preempt_ = true;
    } else if (running_on->priority_ == priority && running_on->started_ + running_on->slice_left_ < slice_end_) {
        limit_turn();
    }
}

void Scheduler::leave_kernel() {
    if (ExecutionContext* running = cpu_.running; !preempt_ && running != nullptr) {
        const bool is_plain_thread = running->state_ == ExecutionContext::State::Ready && !running->is_vcpu();
        if (is_plain_thread) [[likely]]
            return_to_thread(cpu_, static_cast<Thread&>(*running));
        if (running->can_run()) running->resume();
    }
    const uint64_t now = read_tsc();
    settle(now);
    choose(now);
}

void Scheduler::switch_to(ExecutionContext& next) {
    cpu_.running = &next;
    leave_kernel();
}

/// Stores what runs, so that something else can be chosen. Its time is charged, and queued unless it waits.
void Scheduler::settle(uint64_t now) {
    ExecutionContext* running = cpu_.running;
    if (running != nullptr && running->donated_ != nullptr) running->donated_->active_ = running;
    if (cpu_.running_on == nullptr) return;
    SchedulingContext& context = *cpu_.running_on;
    const uint64_t ran = now - context.started_;
    if (context.budget_ != 0) context.charge(ran);
    // A slice goes on behind preemptions, so that they do not keep equals from their turn.
    const bool slice_over = slice_over_ || ran >= context.slice_left_;
    context.slice_left_ = slice_over ? slice_ticks() : context.slice_left_ - ran;
    if (context.state_ != SchedulingContext::State::Running) return;
    if (!context.plain_ && context.root_->is_vcpu()) static_cast<Vcpu*>(context.root_)->starts_waiting();
    if (context.depleted()) [[unlikely]] {
        context.arm_replenishment();
    } else {
        context.state_ = SchedulingContext::State::Ready;
        ready_.push(context, !slice_over);
    }
}

/// Whoever is next, if nothing has to be done before it runs.
void Scheduler::choose(uint64_t now) {
    SchedulingContext* context = ready_.next();
    if (context == nullptr || !context->plain_) choose_slowly(now);
    ExecutionContext& next = *context->active_;
    if (next.state_ != ExecutionContext::State::Ready) choose_slowly(now);
    if (context->next_ != context && now + context->slice_left_ < slice_end_) choose_slowly(now);
    dequeue(*context);
    begin_turn(*context, now);
    return_to_thread(cpu_, static_cast<Thread&>(next));
}

void Scheduler::choose_slowly(uint64_t now) {
    cpu_.running = nullptr;
    cpu_.running_on = nullptr;
    for (;;) {
        SchedulingContext* first;
        while ((first = ready_.next()) == nullptr) {
            // An interrupt between the last look and HLT is held off by the instruction behind STI (SDM vol. 2B, STI).
            asm volatile("sti; hlt; cli" : : : "memory");
            now = read_tsc();
        }
        SchedulingContext& context = *first;
        dequeue(context);
        if (context.budget_ != 0) context.take_due_replenishments(now);
        if (context.depleted()) {
            context.arm_replenishment();
            continue;
        }
        if (context.root_->is_vcpu()) static_cast<Vcpu*>(context.root_)->stops_waiting(now);
        ExecutionContext& next = *context.active_;
        if (!next.can_run()) {
            next.park(context);
            continue;
        }
        begin_turn(context, now);
        // Here a timer that is left over is taken back: a guest shall not exit for it.
        timers_.cancel(slice_);
        slice_end_ = abi::no_deadline;
        limit_turn();
        next.resume();
    }
}

void Scheduler::begin_turn(SchedulingContext& context, uint64_t now) {
    context.state_ = SchedulingContext::State::Running;
    context.started_ = now;
    cpu_.running = context.active_;
    cpu_.running_on = &context;
    preempt_ = slice_over_ = false;
}

/// How long the running scheduling context may go on: its budget, and a slice if it has equals.
uint64_t Scheduler::end_of_turn() {
    const SchedulingContext& context = *cpu_.running_on;
    uint64_t left = context.budget_ == 0 ? abi::no_deadline : context.remaining_;
    if (ready_.ring_of(context).first() != nullptr && context.slice_left_ < left) left = context.slice_left_;
    return left < abi::no_deadline / 2 ? context.started_ + left : abi::no_deadline;
}

/// A timer that strikes before the end stays, because most turns end before any does: `turn_over` looks again.
void Scheduler::limit_turn() {
    const uint64_t end = end_of_turn();
    if (end >= slice_end_) return;
    slice_end_ = end;
    timers_.arm(slice_, end);
}

void Scheduler::turn_over(Deadline& deadline) {
    Scheduler& scheduler = deadline.owner<Scheduler>();
    scheduler.slice_end_ = abi::no_deadline;
    if (scheduler.running_on() == nullptr) return;
    if (scheduler.end_of_turn() <= read_tsc()) return scheduler.yield();
    scheduler.limit_turn();
}

void Scheduler::wake_from_anywhere(ExecutionContext& context) {
    Cpu& here = Cpu::current();
    if (context.cpu_ == here.id) {
        context.woken();
        return;
    }
    if (context.wake_pending_.exchange(true, std::memory_order_acq_rel)) return;  // the list holds it already
    Scheduler& there = *Cpu::at(context.cpu_).scheduler;
    ExecutionContext* first = there.woken_.load(std::memory_order_relaxed);
    do {
        context.next_woken_ = first;
    } while (!there.woken_.compare_exchange_weak(first, &context, std::memory_order_release));
    cross_cpu::kick(context.cpu_);
}

void Scheduler::serve_woken() {
    ExecutionContext* context = woken_.exchange(nullptr, std::memory_order_acquire);
    while (context != nullptr) {
        ExecutionContext* next = context->next_woken_;
        // A full barrier: whoever still sees it set has done before what `woken` looks at behind it.
        context->wake_pending_.exchange(false);
        if (context->state_ != ExecutionContext::State::Dead) context->woken();
        context = next;
    }
}

}  // namespace bulkhead::kernel
