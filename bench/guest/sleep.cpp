// SPDX-License-Identifier: Apache-2.0
// Sleep and what ends it. The figures are how late a program runs again after the time it asked for: they hold the
// timer's interrupt, the wake from HLT where the CPU was idle, and the guest's scheduler.
#include <poll.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "bench/guest/measure.hpp"
#include "bench/guest/subjects.hpp"

namespace bulkhead::guest {
namespace {

constexpr uint64_t kAheadNs = 300'000;  ///< long enough for the CPU to reach HLT on every machine

timespec to_time(uint64_t ns) { return {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)}; }

double late_ticks(uint64_t deadline_ns, uint64_t now_ns) {
    return now_ns > deadline_ns ? static_cast<double>(now_ns - deadline_ns) * ticks_per_ns() : 0;
}

/// HLT, ended by the timer's interrupt.
void sleep_lateness(benchmark::State& state) {
    measure_each(state, [] {
        const uint64_t deadline = monotonic_ns() + kAheadNs;
        const timespec until = to_time(deadline);
        while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
        }
        return late_ticks(deadline, monotonic_ns());
    });
}

/// The same by a file that is waited for.
void timerfd_lateness(benchmark::State& state) {
    const int file = ::timerfd_create(CLOCK_MONOTONIC, 0);
    if (file < 0) return skip(state, "there is no timerfd");
    measure_each(state, [file] {
        const uint64_t deadline = monotonic_ns() + kAheadNs;
        const itimerspec setting{{}, to_time(deadline)};
        ::timerfd_settime(file, TFD_TIMER_ABSTIME, &setting, nullptr);
        uint64_t expirations = 0;
        if (::read(file, &expirations, sizeof expirations) < 0) return 0.0;
        return late_ticks(deadline, monotonic_ns());
    });
    ::close(file);
}

volatile sig_atomic_t alarmed;
uint64_t alarmed_ns;

void on_alarm(int /*number*/) {
    alarmed_ns = monotonic_ns();
    alarmed = 1;
}

/// The CPU is busy with this program: the interrupt ends the run of the guest, and nothing had to wake.
void interrupt_lateness(benchmark::State& state) {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = on_alarm;
    ::sigaction(SIGALRM, &action, &before);
    timer_t timer{};
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return skip(state, "there are no timers");
    measure_each(state, [timer] {
        alarmed = 0;
        const uint64_t deadline = monotonic_ns() + kAheadNs;
        const itimerspec setting{{}, to_time(deadline)};
        ::timer_settime(timer, TIMER_ABSTIME, &setting, nullptr);
        while (alarmed == 0) {
        }
        return late_ticks(deadline, alarmed_ns);
    });
    ::timer_delete(timer);
    ::sigaction(SIGALRM, &before, nullptr);
}

}  // namespace

void register_sleep() {
    benchmark::RegisterBenchmark("sleep_lateness", sleep_lateness)->UseManualTime();
    benchmark::RegisterBenchmark("timerfd_lateness", timerfd_lateness)->UseManualTime();
    benchmark::RegisterBenchmark("interrupt_lateness", interrupt_lateness)->UseManualTime();
}

}  // namespace bulkhead::guest
