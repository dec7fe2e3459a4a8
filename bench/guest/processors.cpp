// SPDX-License-Identifier: Apache-2.0
// From one virtual CPU to another. On the emulated machines the counter advances for all CPUs together: such figures
// are ticks, and not exact.
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "bench/guest/measure.hpp"
#include "bench/guest/subjects.hpp"
#include "bench/peers/futex_pair.hpp"

namespace bulkhead::guest {
namespace {

void stay_on(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ::sched_setaffinity(0, sizeof set, &set);
}

bool has_two_processors() { return ::sysconf(_SC_NPROCESSORS_ONLN) >= 2; }

/// One interrupt to the other CPU, which runs a thread of this program, and its answer.
void interrupt_to_processor(benchmark::State& state) {
    if (!has_two_processors()) return skip(state, "the guest has one CPU (--cpus 2)");
    if (::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0) return skip(state, "there is no membarrier");
    std::atomic<bool> running{false};
    std::atomic<bool> stop{false};
    std::thread other([&] {
        stay_on(1);
        running = true;
        while (!stop) {
        }
    });
    while (!running) ::sched_yield();
    measure(state, [] { ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); });
    stop = true;
    other.join();
}

/// Two threads that wake each other. On one CPU nothing leaves the guest; on two, both wake the other's CPU from HLT.
void wake_round(benchmark::State& state, unsigned other_cpu) {
    if (other_cpu != 0 && !has_two_processors()) return skip(state, "the guest has one CPU (--cpus 2)");
    peers::FutexPair pair;
    std::thread other([&] {
        stay_on(other_cpu);
        pair.answer();
    });
    measure(state, [&] { pair.round(); });
    pair.end();
    other.join();
}

}  // namespace

void register_processors() {
    benchmark::RegisterBenchmark("wake_round/one_cpu", wake_round, 0)->UseManualTime();
    benchmark::RegisterBenchmark("wake_round/two_cpus", wake_round, 1)->UseManualTime();
    benchmark::RegisterBenchmark("interrupt_to_cpu", interrupt_to_processor)->UseManualTime();
}

}  // namespace bulkhead::guest
