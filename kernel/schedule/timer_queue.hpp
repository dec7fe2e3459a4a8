// SPDX-License-Identifier: Apache-2.0
// The deadlines of one CPU, earliest first, on top of the local APIC's timer. The hardware is rewritten only when the
// earliest deadline moves earlier; an interrupt that comes too soon finds nothing due and rearms.
//
// Concurrency: on the queue's CPU with interrupts off.
#pragma once

#include <cstdint>

#include "base/intrusive_list.hpp"

namespace bulkhead::kernel {

/// A point in time and what to do then. Embedded in whatever waits.
class Deadline {
  public:
    using Action = void (*)(Deadline&);

    /// `owner` is what the action is about; it embeds the deadline.
    Deadline(Action action, void* owner) : action_{action}, owner_{owner} {}

    bool armed() const { return hook_.linked(); }
    template <typename T>
    T& owner() const {
        return *static_cast<T*>(owner_);
    }

  private:
    friend class TimerQueue;

    Action action_;
    void* owner_;
    uint64_t time_ = 0;  // absolute TSC ticks, while armed
    ListHook<Deadline> hook_;
};

class TimerQueue {
  public:
    /// (Re)arms a deadline of this CPU at `time`.
    void arm(Deadline& deadline, uint64_t time);
    /// Does nothing if it is not armed.
    void cancel(Deadline& deadline) {
        if (deadline.armed()) queue_.remove(deadline);
    }
    /// Runs what is due, and rearms the hardware. Called on the timer interrupt.
    void expire();

  private:
    void program_at_latest(uint64_t time);

    IntrusiveList<Deadline, &Deadline::hook_> queue_;
    uint64_t programmed_ = ~uint64_t{0};
};

}  // namespace bulkhead::kernel
