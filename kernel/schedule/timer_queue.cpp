// SPDX-License-Identifier: Apache-2.0
#include "kernel/schedule/timer_queue.hpp"

#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/platform/timer.hpp"

namespace bulkhead::kernel {

void TimerQueue::arm(Deadline& deadline, uint64_t time) {
    cancel(deadline);
    deadline.time_ = time;
    Deadline* position = queue_.front();
    while (position != nullptr && position->time_ <= time) position = queue_.next(*position);
    queue_.insert_before(position, deadline);
    if (time < programmed_) program(time);
}

void TimerQueue::expire() {
    programmed_ = ~uint64_t{0};
    while (Deadline* first = queue_.front()) {
        if (first->time_ > read_tsc()) {
            if (first->time_ < programmed_) program(first->time_);
            break;
        }
        queue_.remove(*first);
        first->action_(*first);
    }
}

void TimerQueue::program(uint64_t time) {
    programmed_ = time;
    timer_set_deadline(time);
}

}  // namespace bulkhead::kernel
