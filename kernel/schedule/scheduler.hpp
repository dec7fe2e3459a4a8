// SPDX-License-Identifier: Apache-2.0
// Chooses what a CPU runs: the most urgent ready scheduling context, first come first served among equals, with a time
// slice when there are several. One per CPU; 256 priorities with a bitmap, so every operation is O(1).
//
// The running scheduling context (whose time passes) and the running execution context (what executes) are separate:
// a handler runs on its caller's, and a context that is helped runs on its helper's.
//
// Concurrency: everything on its own CPU with interrupts off, but `wake_from_anywhere`.
#pragma once

#include <atomic>

#include "abi/layout.hpp"
#include "kernel/object/scheduling_context.hpp"

namespace bulkhead::kernel {

struct Cpu;

/// The scheduling contexts of a CPU that wait for their turn: a ring for each priority, a bitmap of the rings that may
/// have some, and a word that says which words of the bitmap have bits. The bit of a ring that became empty stays until
/// somebody looks for the most urgent one: mostly the ring is in use again before. Each such bit is looked at once.
class ReadyQueue {
  public:
    /// Whose turn is next, null if nobody is ready.
    SchedulingContext* next() {
        while (words_in_use_ != 0) {
            const int word = 31 ^ __builtin_clz(words_in_use_);
            const int bit = 63 ^ __builtin_clzll(words_[word]);
            if (SchedulingContext* first = rings_[word * 64 + bit].first(); first != nullptr) return first;
            words_[word] &= ~(uint64_t{1} << bit);
            if (words_[word] == 0) words_in_use_ &= ~(1u << word);
        }
        return nullptr;
    }
    SchedulingRing& ring_of(const SchedulingContext& context) { return rings_[context.priority_]; }
    void push(SchedulingContext& context, bool front) {
        const uint8_t priority = context.priority_;
        rings_[priority].push(context, front);
        uint64_t& word = words_[priority / 64];
        if ((word >> priority % 64 & 1) != 0) [[likely]]
            return;
        word |= uint64_t{1} << priority % 64;
        words_in_use_ |= 1u << priority / 64;
    }

  private:
    friend struct AsmOffsets;

    uint32_t words_in_use_ = 0;
    uint64_t words_[abi::priorities / 64] = {};
    SchedulingRing rings_[abi::priorities];
};

class Scheduler {
  public:
    explicit Scheduler(Cpu& cpu);

    /// This CPU's.
    static Scheduler& current();
    /// Makes the scheduler of a CPU from the kernel's pool. Boot only.
    static void initialise(Cpu& cpu);

    ExecutionContext* running() const;
    SchedulingContext* running_on() const;
    TimerQueue& timers() { return timers_; }

    /// Queues a scheduling context that is neither queued nor running; preempts if it is more urgent.
    void enqueue(SchedulingContext& context);
    /// Takes a queued one out.
    void dequeue(SchedulingContext& context) { ready_.ring_of(context).remove(context); }
    /// Puts the running one behind its equals at the next opportunity.
    void yield() { slice_over_ = preempt_ = true; }
    /// Makes the next `leave_kernel` choose anew: what runs may have died.
    void preempt() { preempt_ = true; }
    /// Whether it will.
    bool preemption_due() const { return preempt_; }

    /// Goes on with the running context unless it is not ready any more or something more urgent is.
    [[noreturn]] void leave_kernel();
    /// Makes `next` the running context on the running scheduling context, and leaves the kernel.
    [[noreturn]] void switch_to(ExecutionContext& next);

    /// Runs the most urgent one; nothing runs any more. For the hand-laid path of Wait.
    [[noreturn]] void choose(uint64_t now);
    /// Sets the timer if the running one shall not go on for ever.
    void limit_turn();

    /// How long a scheduling context runs before its equals do.
    static uint64_t slice_ticks();
    /// Calls `context.woken()` on its CPU, soon. From any CPU.
    static void wake_from_anywhere(ExecutionContext& context);
    /// Serves the wake-ups other CPUs asked for.
    void serve_woken();

  private:
    friend struct AsmOffsets;
    void settle(uint64_t now);
    [[noreturn]] [[gnu::noinline]] void choose_slowly(uint64_t now);
    void begin_turn(SchedulingContext& context, uint64_t now);
    uint64_t end_of_turn();
    static void turn_over(Deadline& deadline);

    static constexpr uint64_t slice_hz = 100;

    Cpu& cpu_;
    TimerQueue timers_;
    Deadline slice_;
    uint64_t slice_end_ = abi::no_deadline;  // when that strikes: no later than a limited turn ends
    bool preempt_ = false;
    bool slice_over_ = false;
    std::atomic<ExecutionContext*> woken_{nullptr};
    ReadyQueue ready_;
};

}  // namespace bulkhead::kernel
