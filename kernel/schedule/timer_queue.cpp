// SPDX-License-Identifier: Apache-2.0
#include "kernel/schedule/timer_queue.hpp"

#include "kernel/platform/timer.hpp"

namespace bulkhead::kernel {

void TimerQueue::arm(Deadline& deadline, uint64_t time) {
    cancel(deadline);
    deadline.time_ = time;
    Deadline* position = queue_.front();
    while (position != nullptr && position->time_ <= time) position = queue_.next(*position);
    queue_.insert_before(position, deadline);
    program_at_latest(time);
}

void TimerQueue::expire() {
    programmed_ = ~uint64_t{0};
    while (Deadline* first = queue_.front()) {
        if (first->time_ > read_tsc()) return program_at_latest(first->time_);
        queue_.remove(*first);
        first->action_(*first);
    }
}

void TimerQueue::program_at_latest(uint64_t time) {
    if (time >= programmed_) return;
    programmed_ = time;
    timer_set_deadline(time);
}

}  // namespace bulkhead::kernel
