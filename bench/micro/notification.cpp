// SPDX-License-Identifier: Apache-2.0
// Notifications: signalling and waiting with nothing to block on, and two threads that wake each other.
#include "bench/micro/benchmark.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {
namespace {

using runtime::Notification;
using test::Child;

void signal(Run& run) {
    Notification notification = BENCH_NEEDED(Notification::create());
    run.loop([&] { static_cast<void>(notification.signal(1)); });
    static_cast<void>(notification.destroy());
}

void wait_for_flag_that_is_set(Run& run) {
    Notification notification = BENCH_NEEDED(Notification::create());
    for (uint64_t i = 0; i < run.iterations(); ++i) {
        static_cast<void>(notification.signal(1));
        static_cast<void>(run.timed([&] { return notification.wait(); }));
    }
    static_cast<void>(notification.destroy());
}

void poll_flag_that_is_clear(Run& run) {
    Notification notification = BENCH_NEEDED(Notification::create());
    run.loop([&] { static_cast<void>(notification.poll()); });
    static_cast<void>(notification.destroy());
}

/// Both sides of a ping-pong.
struct Pair {
    Notification ping;
    Notification pong;

    static abi::Result<Pair> create() {
        const auto ping = TRY(Notification::create());
        return Pair{ping, TRY(Notification::create())};
    }
    void destroy() {
        static_cast<void>(ping.destroy());
        static_cast<void>(pong.destroy());
    }
    void play(Run& run) {
        run.loop([this] {
            static_cast<void>(ping.signal(1));
            static_cast<void>(pong.wait());
        });
    }
    static void answer(void* argument) {
        const auto& pair = *static_cast<Pair*>(argument);
        for (;;) {
            static_cast<void>(pair.ping.wait());
            static_cast<void>(pair.pong.signal(1));
        }
    }
};

void ping_pong_on(Run& run, uint32_t cpu) {
    Pair pair = BENCH_NEEDED(Pair::create());
    auto thread = BENCH_NEEDED(test::start_thread(Pair::answer, &pair, test::test_priority, cpu));
    pair.play(run);
    thread.destroy();
    pair.destroy();
}

void ping_pong_in_one_domain(Run& run) { ping_pong_on(run, 0); }

void ping_pong_across_cpus(Run& run) {
    if (test::root().cpu_count < 2) return run.skip("the machine has one CPU (--cpus 2)");
    ping_pong_on(run, 1);
}

constexpr abi::Selector ping_slot = 70;
constexpr abi::Selector pong_slot = 71;

void answer_in_child(void* /*unused*/) {
    for (;;) {
        static_cast<void>(Notification{ping_slot}.wait());
        static_cast<void>(Notification{pong_slot}.signal(1));
    }
}

void ping_pong_across_domains(Run& run) {
    Pair pair = BENCH_NEEDED(Pair::create());
    Child child = BENCH_NEEDED(Child::create());
    BENCH_OK(child.give(pair.ping.selector(), ping_slot));
    BENCH_OK(child.give(pair.pong.selector(), pong_slot));
    auto thread = BENCH_NEEDED(child.start(answer_in_child, nullptr, test::test_priority));
    pair.play(run);
    child.destroy();
    thread.forget();
    pair.destroy();
}

constexpr Benchmark table[] = {
    {"notification/signal", nullptr, no_sweep, 200, guard_all, "signal with nobody waiting", signal},
    {"notification/wait", nullptr, no_sweep, 100, guard_all, "wait for a flag that is set", wait_for_flag_that_is_set},
    {"notification/poll", nullptr, no_sweep, 200, guard_all, "wait with a deadline of 0, no flag set",
     poll_flag_that_is_clear},
    {"notification/ping_pong_one_domain", nullptr, no_sweep, 100, guard_all,
     "two threads of one domain and priority on one CPU wake each other: two signals, two waits, two switches",
     ping_pong_in_one_domain},
    {"notification/ping_pong_two_domains", nullptr, no_sweep, 100, guard_all, "the same in two domains",
     ping_pong_across_domains},
    {"notification/ping_pong_two_cpus", nullptr, no_sweep, 100, guard_none, "the same on two CPUs, in one domain",
     ping_pong_across_cpus},
};

}  // namespace

const std::span<const Benchmark> notification_benchmarks{table};

}  // namespace bulkhead::bench
