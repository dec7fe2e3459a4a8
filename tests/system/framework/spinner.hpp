// SPDX-License-Identifier: Apache-2.0
// Time that passes on a CPU: who spends it, and how much of it a thread gets.
#pragma once

#include <atomic>

#include "tests/system/framework/world.hpp"

namespace bulkhead::test {

/// Counts as fast as it can.
struct Spinner {
    std::atomic<uint64_t> count{0};
    std::atomic<bool> stop{false};

    static void run(void* argument) {
        auto& spinner = *static_cast<Spinner*>(argument);
        while (!spinner.stop) ++spinner.count;
        runtime::stop_this_thread();
    }
    static abi::Result<runtime::Thread> start(Spinner& spinner, const runtime::Schedule& schedule, uint32_t cpu = 0) {
        runtime::ThreadOptions options;
        options.name = "spinner";
        options.cpu = cpu;
        auto thread = TRY(runtime::Thread::create(options, run, &spinner));
        TRY(thread.start(schedule));
        return thread;
    }
};

/// Keeps the CPU busy at the test's own priority.
inline void spin_for(uint64_t ns) {
    const uint64_t end = runtime::deadline_in(ns);
    while (runtime::now_ticks() < end) asm volatile("pause");
}

/// How much of so much time the calling thread, which uses all it gets, had for itself: a gap is somebody else's.
inline uint64_t own_time_ns(uint64_t duration_ns) {
    const uint64_t start = runtime::now_ns();
    uint64_t own = 0;
    uint64_t last = start;
    while (last < start + duration_ns) {
        const uint64_t now = runtime::now_ns();
        if (now - last < ns_per_ms) own += now - last;
        last = now;
    }
    return own;
}

}  // namespace bulkhead::test
