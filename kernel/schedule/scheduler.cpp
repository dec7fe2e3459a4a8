// SPDX-License-Identifier: Apache-2.0
#include "kernel/schedule/scheduler.hpp"

#include <new>

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/object/vcpu.hpp"
#include "kernel/platform/timer.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

Scheduler::Scheduler(Cpu& cpu) : cpu_{cpu}, slice_{slice_expired, this} {}

void Scheduler::initialise(Cpu& cpu) {
    constexpr unsigned order = 1;
    static_assert(sizeof(Scheduler) <= page_size_bytes << order);
    const std::optional<PhysicalAddress> pages = allocate_pages(order);
    ASSERT(pages.has_value());  // the pool is at least 16 MiB at boot
    cpu.scheduler = new (direct_map(*pages)) Scheduler{cpu};
}

uint64_t Scheduler::slice_ticks() { return tsc_hz() / slice_hz; }
Scheduler& Scheduler::current() { return *Cpu::current().scheduler; }
ExecutionContext* Scheduler::running() const { return cpu_.running; }
SchedulingContext* Scheduler::running_on() const { return cpu_.running_on; }

int Scheduler::highest() const {
    for (int word = abi::priorities / 64 - 1; word >= 0; --word)
        if (ready_[word] != 0) return word * 64 + 63 - __builtin_clzll(ready_[word]);
    return -1;
}

void Scheduler::enqueue(SchedulingContext& context, bool front) {
    const uint8_t priority = context.priority_;
    context.state_ = SchedulingContext::State::Ready;
    if (context.root_->is_vcpu()) static_cast<Vcpu*>(context.root_)->starts_waiting();
    if (front) {
        queues_[priority].push_front(context);
    } else {
        queues_[priority].push_back(context);
    }
    ready_[priority / 64] |= uint64_t{1} << priority % 64;
    if (cpu_.running_on == nullptr || cpu_.running_on->priority_ < priority) {
        preempt_ = true;
    } else if (cpu_.running_on->priority_ == priority && !slice_.armed()) {
        arm_slice(read_tsc());
    }
}

void Scheduler::dequeue(SchedulingContext& context) {
    const uint8_t priority = context.priority_;
    queues_[priority].remove(context);
    if (queues_[priority].empty()) ready_[priority / 64] &= ~(uint64_t{1} << priority % 64);
}

void Scheduler::leave_kernel() {
    if (!preempt_ && cpu_.running != nullptr && cpu_.running->can_run()) cpu_.running->resume();
    put_away();
    choose();
}

void Scheduler::set_running(ExecutionContext& next) {
    if (cpu_.running != nullptr && cpu_.running->donated_ != nullptr) cpu_.running->donated_->active_ = cpu_.running;
    cpu_.running = &next;
}

void Scheduler::switch_to(ExecutionContext& next) {
    cpu_.running = &next;
    leave_kernel();
}

void Scheduler::abandon_running() {
    cpu_.running = nullptr;
    preempt_ = true;
}

void Scheduler::abandon_scheduling_context() {
    cpu_.running_on = nullptr;
    preempt_ = true;
}

void Scheduler::block_running(ExecutionContext& context) {
    if (cpu_.running_on != nullptr) context.park(*cpu_.running_on);
    preempt_ = true;
}

/// Stores what runs, so that something else can be chosen.
void Scheduler::put_away() {
    if (cpu_.running != nullptr) {
        ExecutionContext& context = *cpu_.running;
        cpu_.running = nullptr;
        const bool on_chain = context.state_ == ExecutionContext::State::Ready ||
                              context.state_ == ExecutionContext::State::Waiting ||
                              context.state_ == ExecutionContext::State::Helping ||
                              context.state_ == ExecutionContext::State::Stopped;
        if (on_chain && context.donated_ != nullptr) context.donated_->active_ = &context;
    }
    if (cpu_.running_on != nullptr) {
        SchedulingContext& context = *cpu_.running_on;
        cpu_.running_on = nullptr;
        settle(context);
    }
    timers_.cancel(slice_);
}

/// Charges a scheduling context that stops running, and queues it unless it waits.
void Scheduler::settle(SchedulingContext& context) {
    const uint64_t now = read_tsc();
    const uint64_t ran = now - context.started_;
    context.charge(ran);
    context.started_ = now;
    // A slice goes on behind preemptions, so that they do not keep equals from their turn.
    const bool slice_over = slice_over_ || ran >= context.slice_left_;
    context.slice_left_ = slice_over ? slice_ticks() : context.slice_left_ - ran;
    if (context.state_ != SchedulingContext::State::Running) return;
    if (context.depleted()) {
        if (context.root_->is_vcpu()) static_cast<Vcpu*>(context.root_)->starts_waiting();
        context.arm_replenishment();
    } else {
        enqueue(context, !slice_over);
    }
}

void Scheduler::choose() {
    for (;;) {
        const int priority = highest();
        if (priority < 0) idle();
        SchedulingContext& context = *queues_[priority].front();
        dequeue(context);
        const uint64_t now = read_tsc();
        context.take_due_replenishments(now);
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
        context.state_ = SchedulingContext::State::Running;
        context.started_ = now;
        cpu_.running = &next;
        cpu_.running_on = &context;
        preempt_ = slice_over_ = false;
        arm_slice(now);
        next.resume();
    }
}

void Scheduler::run() { choose(); }

void Scheduler::idle() {
    for (;;) {
        preempt_ = false;
        slice_over_ = false;
        // An interrupt between the test and HLT is held off by the instruction behind STI (SDM volume 2B, STI).
        asm volatile("sti; hlt; cli" : : : "memory");
        if (preempt_ || highest() >= 0) choose();
    }
}

/// Limits how long the running scheduling context goes on: its budget, and a slice if it has equals.
void Scheduler::arm_slice(uint64_t now) {
    const SchedulingContext& context = *cpu_.running_on;
    uint64_t limit = context.remaining();
    const bool has_equals = !queues_[context.priority_].empty();
    if (has_equals && limit > context.slice_left_) limit = context.slice_left_;
    const uint64_t ran = now - context.started_;
    limit = limit > ran ? limit - ran : 0;
    if (limit < abi::no_deadline / 2) {
        timers_.arm(slice_, now + limit);
    } else {
        timers_.cancel(slice_);
    }
}

void Scheduler::slice_expired(Deadline& deadline) {
    Scheduler& scheduler = deadline.owner<Scheduler>();
    scheduler.slice_over_ = scheduler.preempt_ = true;
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
    } while (!there.woken_.compare_exchange_weak(first, &context, std::memory_order_release, std::memory_order_relaxed));
    cross_cpu::kick(context.cpu_);
}

void Scheduler::serve_woken() {
    ExecutionContext* context = woken_.exchange(nullptr, std::memory_order_acquire);
    while (context != nullptr) {
        ExecutionContext* next = context->next_woken_;
        context->wake_pending_.store(false, std::memory_order_release);
        if (context->state_ != ExecutionContext::State::Dead) context->woken();
        context = next;
    }
}

}  // namespace bulkhead::kernel
