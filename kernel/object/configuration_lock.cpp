// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/configuration_lock.hpp"

#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/schedule/cross_cpu.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

std::atomic<uint32_t> ConfigurationLock::next_{0};
std::atomic<uint32_t> ConfigurationLock::serving_{0};

ConfigurationLock::ConfigurationLock() {
    const uint32_t ticket = next_.fetch_add(1, std::memory_order_relaxed);
    if (serving_.load(std::memory_order_acquire) != ticket) wait(ticket);
}

/// What is served meanwhile may destroy the calling thread, or take its scheduling context away. Then its system call
/// ends here: nothing has been done, and a thread that lives makes the call again when it runs next.
void ConfigurationLock::wait(uint32_t ticket) {
    Scheduler& scheduler = Scheduler::current();
    Thread& caller = static_cast<Thread&>(*scheduler.running());
    const RegisterFrame frame = caller.frame();
    prepare_system_call_again(caller.frame());
    while (serving_.load(std::memory_order_acquire) != ticket) {
        cross_cpu::serve();
        cpu_relax();
    }
    if (scheduler.running() == &caller) {
        caller.frame() = frame;
        return;
    }
    release();
    scheduler.leave_kernel();
}

ConfigurationLock::~ConfigurationLock() { release(); }

void ConfigurationLock::release() {
    serving_.store(serving_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

}  // namespace bulkhead::kernel
