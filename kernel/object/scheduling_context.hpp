// SPDX-License-Identifier: Apache-2.0
// The right to run (scheduling context, SC): a priority and a budget per period, as a sporadic server with a bounded
// number of replenishments (Sprunt, Sha, Lehoczky 1989; corrected by Stanovich et al. 2010). It belongs to one thread
// or vCPU and is lent along the calls that one makes. That of a handler is its fallback: what it runs on as an orphan.
//
// Concurrency: on its CPU with interrupts off.
#pragma once

#include "base/static_vector.hpp"
#include "kernel/object/object.hpp"
#include "kernel/schedule/timer_queue.hpp"

namespace bulkhead::kernel {

class ExecutionContext;

class SchedulingContext final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::SchedulingContext;

    enum class State : uint8_t {
        Ready,     ///< in its CPU's ready queue
        Running,   ///< the one whose time passes now
        Parked,    ///< waits until `active` becomes ready
        Depleted,  ///< has no budget until the next replenishment
        Resting,   ///< the fallback of a handler that is no orphan
        Unbound,   ///< its thread died
    };
    struct Parameters {
        uint8_t priority;
        uint64_t budget;  ///< ticks per period; 0: unlimited
        uint64_t period;  ///< ticks
    };
    /// The shortest budget and period, in ticks: bounds the rate of timer interrupts one context can cause.
    static constexpr uint64_t minimum_budget = 20'000;

    SchedulingContext(Domain& owner, ExecutionContext& target, const Parameters& parameters);

    static abi::Result<void> check(const Parameters& parameters);
    /// Queues it for the first time, or makes it the fallback of its handler.
    void start();
    /// Its handler has ended what it did as an orphan.
    void rest();
    /// New priority and budget from now on. On its CPU.
    void set(const Parameters& parameters);

    uint32_t home_cpu() const override { return cpu_; }
    void retire() override;

    void begin_slice();

  private:
    friend class ReadyQueue;
    friend class Scheduler;
    friend class SchedulingRing;
    friend class ExecutionContext;
    friend struct Ipc;
    friend struct AsmOffsets;

    struct Replenishment {
        uint64_t time;
        uint64_t amount;
    };
    static constexpr size_t maximum_replenishments = 8;

    bool depleted() const { return budget_ != 0 && remaining_ == 0; }
    /// Uses up budget: it ran this long.
    void charge(uint64_t ticks);
    void take_due_replenishments(uint64_t now);
    static void replenish(Deadline& deadline);
    void arm_replenishment();
    /// What it waited for is ready, or will never be.
    void unpark();
    /// Takes it off its thread, which dies or loses it.
    void unbind();

    State state_ = State::Unbound;
    uint8_t priority_;
    bool plain_;  // no budget, and no vCPU's: nothing has to be done when a turn begins
    uint32_t cpu_;
    ExecutionContext* root_;                 // whom it belongs to
    ExecutionContext* active_;               // the end of the call chain that runs on it
    ExecutionContext* parked_on_ = nullptr;  // while parked
    SchedulingContext* next_ = this;         // in its ring
    SchedulingContext* previous_ = this;
    uint64_t budget_;
    uint64_t period_;
    uint64_t remaining_;    // of the budget, in ticks
    uint64_t slice_left_;   // ticks until its equals have their turn
    uint64_t started_ = 0;  // when it last began to run with a full charge interval
    StaticVector<Replenishment, maximum_replenishments> replenishments_;
    Deadline deadline_;
};

/// Scheduling contexts in the order they came, each in one such ring at most: those ready at a priority, or those that
/// wait for the same context. Mostly there is one; links lead back to it then, and stay as they are from ring to ring.
class SchedulingRing {
  public:
    SchedulingContext* first() const { return first_; }
    void push(SchedulingContext& context, bool front = false) {
        if (first_ == nullptr) {
            first_ = &context;
            return;
        }
        context.next_ = first_;
        context.previous_ = first_->previous_;
        context.previous_->next_ = first_->previous_ = &context;
        if (front) first_ = &context;
    }
    void remove(SchedulingContext& context) {
        if (context.next_ == &context) {
            first_ = nullptr;
            return;
        }
        context.next_->previous_ = context.previous_;
        context.previous_->next_ = context.next_;
        if (first_ == &context) first_ = context.next_;
        context.next_ = context.previous_ = &context;
    }

  private:
    friend struct AsmOffsets;

    SchedulingContext* first_ = nullptr;
};

}  // namespace bulkhead::kernel
