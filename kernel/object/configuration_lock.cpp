// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/configuration_lock.hpp"

#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

std::atomic<uint32_t> ConfigurationLock::next_{0};
std::atomic<uint32_t> ConfigurationLock::serving_{0};

ConfigurationLock::ConfigurationLock() {
    const uint32_t ticket = next_.fetch_add(1, std::memory_order_relaxed);
    while (serving_.load(std::memory_order_acquire) != ticket) {
        cross_cpu::serve();
        cpu_relax();
    }
}

ConfigurationLock::~ConfigurationLock() {
    serving_.store(serving_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

}  // namespace bulkhead::kernel
