// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/configuration_lock.hpp"

#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

static Thread& calling_thread() { return static_cast<Thread&>(*Scheduler::current().running()); }

/// Lets interrupts in. Whether something else shall run now; what was served may have ended the thread, too.
static bool must_leave() {
    let_interrupts_in();
    return Scheduler::current().preemption_due();
}

/// Nothing has been done yet, so the call can be made again at any time.
void ConfigurationLock::wait() {
    Thread& caller = calling_thread();
    prepare_system_call_again(caller.frame());
    while (taken_.load(std::memory_order_relaxed) || !take()) {
        cpu_relax();
        if (must_leave()) Scheduler::current().leave_kernel();
    }
    prepare_return_from_stub(caller.frame());
}

/// Goes on with what is under way, whoever began it. With each call at least one step is made.
void ConfigurationLock::finish() {
    Thread& caller = calling_thread();
    prepare_system_call_again(caller.frame());
    while (LongOperation::under_way()) {
        const std::optional<abi::Status> status = LongOperation::step();
        if (status && requester_ != nullptr) requester_->set_outcome(*status);
        if (must_leave()) {
            release();
            Scheduler::current().leave_kernel();
        }
    }
    prepare_return_from_stub(caller.frame());
}

abi::Result<void> ConfigurationLock::run() {
    Thread& caller = calling_thread();
    requester_ = &caller;
    caller.frame().rax = static_cast<uint8_t>(abi::number_of<abi::FinishCall>);
    finish();
    return caller.take_outcome();
}

}  // namespace bulkhead::kernel
