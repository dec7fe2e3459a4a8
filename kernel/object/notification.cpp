// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/notification.hpp"

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

void Notification::signal(uint64_t bits) {
    Notification& target = *target_;
    bits &= allowed_;
    // Whoever waits on this CPU cannot stop waiting meanwhile: it is given the bits, unless some are there or remain.
    Thread* waiter = target.waiter_.load(std::memory_order_acquire);
    if (waiter != nullptr && waiter->cpu() == Cpu::current().id && bits != 0) {
        const uint64_t mask = waiter->wait_mask();
        if ((bits & ~mask) == 0 && !target.has(mask)) return waiter->end_wait(abi::Status::Ok, bits);
    }
    target.bits_.fetch_or(bits, std::memory_order_seq_cst);
    target.look_for_waiter(bits);
}

void Notification::look_for_waiter(uint64_t bits) {
    Thread* waiter = waiter_.load(std::memory_order_seq_cst);
    if (waiter != nullptr && (waiter->wait_mask() & bits) != 0) Scheduler::wake_from_anywhere(*waiter);
}

bool Notification::attach(Thread& thread) {
    Thread* nobody = nullptr;
    return waiter_.compare_exchange_strong(nobody, &thread, std::memory_order_seq_cst);
}

// The waiter is told on its own CPU. If there is none now, none can come: all capabilities are stale already.
uint32_t Notification::home_cpu() const {
    const Thread* waiter = waiter_.load(std::memory_order_seq_cst);
    return waiter != nullptr ? waiter->cpu() : any_cpu;
}

void Notification::retire() {
    if (Thread* waiter = waiter_.load(std::memory_order_seq_cst)) waiter->end_wait(abi::Status::Aborted, 0);
}

}  // namespace bulkhead::kernel
