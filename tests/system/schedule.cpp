// SPDX-License-Identifier: Apache-2.0
// Scheduling: preemption by priority, turns among equals, budgets, and priority handed along calls to busy handlers.
#include <atomic>

#include "tests/system/framework/spinner.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

using runtime::message_handler;
using runtime::Request;
using runtime::SchedulingContext;
using runtime::Thread;

}  // namespace

SYSTEM_TEST(lower_priorities_wait) {
    Spinner spinner;
    Thread thread = NEEDED(Spinner::start(spinner, {.priority = low_priority}));
    spin_for(3 * ns_per_ms);
    EXPECT_EQ(spinner.count.load(), 0u);
    runtime::sleep_for(3 * ns_per_ms);
    const uint64_t count = spinner.count;
    EXPECT(count > 0);
    spin_for(3 * ns_per_ms);
    EXPECT_EQ(spinner.count.load(), count);
    thread.destroy();
}

SYSTEM_TEST(higher_priorities_preempt) {
    struct High {
        Notification wake;
        std::atomic<uint64_t> woken_at{0};
        static void run(void* argument) {
            auto& high = *static_cast<High*>(argument);
            static_cast<void>(high.wake.wait());
            high.woken_at = runtime::now_ticks();
            runtime::stop_this_thread();
        }
    };
    High high;
    high.wake = NEEDED(Notification::create());
    Thread thread = NEEDED(start_thread(High::run, &high, high_priority));
    // It runs before the call that wakes it returns.
    EXPECT_OK(high.wake.signal(1));
    EXPECT(high.woken_at != 0);
    thread.destroy();
    EXPECT_OK(high.wake.destroy());
}

SYSTEM_TEST(a_timer_preempts) {
    struct Sleeper {
        std::atomic<bool> awake{false};
        static void run(void* argument) {
            runtime::sleep_for(2 * ns_per_ms);
            static_cast<Sleeper*>(argument)->awake = true;
            runtime::stop_this_thread();
        }
    };
    Sleeper sleeper;
    Thread thread = NEEDED(start_thread(Sleeper::run, &sleeper, high_priority));
    const uint64_t deadline = soon();
    while (!sleeper.awake && runtime::now_ticks() < deadline) asm volatile("pause");
    EXPECT(sleeper.awake);
    thread.destroy();
}

SYSTEM_TEST(equals_take_turns) {
    Spinner spinners[3];
    Thread threads[3];
    for (int i = 0; i < 3; ++i) threads[i] = NEEDED(Spinner::start(spinners[i], {.priority = 50}));
    const auto all_ran = [&] { return spinners[0].count > 100 && spinners[1].count > 100 && spinners[2].count > 100; };
    if (!eventually(all_ran)) {
        char why[120];
        record_failure(__FILE__, __LINE__,
                       runtime::format_into(why, "turns: {}, {}, {}", spinners[0].count.load(),
                                            spinners[1].count.load(), spinners[2].count.load()));
    }
    for (Thread& thread : threads) thread.destroy();
}

SYSTEM_TEST(yield_passes_the_turn) {
    struct Turn {
        std::atomic<unsigned>* counter;
        std::atomic<unsigned> turns{0};
        static void run(void* argument) {
            auto& turn = *static_cast<Turn*>(argument);
            for (int i = 0; i < 200; ++i) {
                ++turn.turns;
                ++*turn.counter;
                static_cast<void>(invoke(abi::Yield{}));
            }
            runtime::stop_this_thread();
        }
    };
    std::atomic<unsigned> counter{0};
    Turn turns[2];
    Thread threads[2];
    for (int i = 0; i < 2; ++i) {
        turns[i].counter = &counter;
        threads[i] = NEEDED(start_thread(Turn::run, &turns[i], 50));
    }
    unsigned largest_lead = 0;
    EXPECT(eventually([&] {
        const unsigned a = turns[0].turns;
        const unsigned b = turns[1].turns;
        const unsigned lead = a > b ? a - b : b - a;
        if (lead > largest_lead) largest_lead = lead;
        return counter == 400;
    }));
    EXPECT(largest_lead <= 2);
    for (Thread& thread : threads) thread.destroy();
}

SYSTEM_TEST(changing_the_priority) {
    Spinner spinner;
    Thread thread = NEEDED(Spinner::start(spinner, {.priority = low_priority}));
    spin_for(2 * ns_per_ms);
    EXPECT_EQ(spinner.count.load(), 0u);
    const SchedulingContext context{thread.scheduling_context()};
    // Above the test: it runs until its budget is spent.
    const uint64_t ms = runtime::ns_to_ticks(ns_per_ms);
    EXPECT_OK(context.set(high_priority, ms, 100 * ms));
    EXPECT(spinner.count > 0);
    EXPECT_OK(context.set(low_priority));
    const uint64_t count = spinner.count;
    spin_for(2 * ns_per_ms);
    EXPECT_EQ(spinner.count.load(), count);
    runtime::sleep_for(2 * ns_per_ms);
    EXPECT(spinner.count > count);
    thread.destroy();
}

SYSTEM_TEST(budgets_limit) {
    Spinner spinner;
    // A tenth of the CPU, above the test's priority.
    Thread thread = NEEDED(
        Spinner::start(spinner, {.priority = high_priority, .budget_ns = 2 * ns_per_ms, .period_ns = 20 * ns_per_ms}));
    const uint64_t mine = own_time_ns(200 * ns_per_ms);
    EXPECT(spinner.count > 0);
    EXPECT(mine > 100 * ns_per_ms);
    EXPECT(mine < 195 * ns_per_ms);
    thread.destroy();
}

SYSTEM_TEST(a_spent_budget_comes_back) {
    Spinner spinner;
    Thread thread = NEEDED(
        Spinner::start(spinner, {.priority = high_priority, .budget_ns = ns_per_ms, .period_ns = 10 * ns_per_ms}));
    for (int i = 0; i < 5; ++i) {
        const uint64_t count = spinner.count;
        EXPECT(eventually([&] { return spinner.count > count; }));
    }
    thread.destroy();
}

SYSTEM_TEST(destroying_a_scheduling_context_stops_the_thread) {
    Spinner spinner;
    Thread thread = NEEDED(Spinner::start(spinner, {.priority = 50}));
    EXPECT(eventually([&] { return spinner.count > 0; }));
    runtime::Capability context{thread.scheduling_context()};
    EXPECT_OK(invoke(abi::Destroy{context.selector()}));
    const uint64_t count = spinner.count;
    runtime::sleep_for(3 * ns_per_ms);
    EXPECT_EQ(spinner.count.load(), count);
    // Another one sets it going again.
    SchedulingContext second = NEEDED(SchedulingContext::create(thread.selector(), 50));
    EXPECT(eventually([&] { return spinner.count > count; }));
    EXPECT_OK(second.destroy());
    thread.destroy();
}

namespace {

/// A handler's work: spins for as many nanoseconds of its own running as word 0 says.
std::atomic<unsigned> entered;
std::atomic<unsigned> left;

void work(uint64_t /*badge*/, Request& request) {
    ++entered;
    uint64_t last = runtime::now_ticks();
    uint64_t wanted = runtime::ns_to_ticks(request.words[0]);
    const uint64_t gap = runtime::ns_to_ticks(ns_per_ms / 4);
    while (wanted > 0) {
        const uint64_t now = runtime::now_ticks();
        const uint64_t ran = now - last;
        last = now;
        if (ran < gap) wanted -= ran < wanted ? ran : wanted;
    }
    ++left;
    request.words[0] = 1;
    request.reply(0);
}

struct Worker {
    Selector portal = 0;
    uint64_t work_ns = 0;
    std::atomic<bool> done{false};
    Status status = Status::Ok;
    static void run(void* argument) {
        auto& worker = *static_cast<Worker*>(argument);
        worker.status = call(worker.portal, 0, worker.work_ns).status;
        worker.done = true;
        runtime::stop_this_thread();
    }
};

}  // namespace

SYSTEM_TEST(a_busy_handler_inherits_priority) {
    entered = left = 0;
    Handler handler = NEEDED(Handler::create(message_handler<work>));
    Worker low;
    low.portal = handler.portal.selector();
    low.work_ns = 20 * ns_per_ms;
    Thread low_thread = NEEDED(start_thread(Worker::run, &low, low_priority));
    REQUIRE(eventually([&] { return entered == 1; }));
    // A spinner between the two: without help the handler would never end.
    Spinner medium;
    Thread medium_thread = NEEDED(Spinner::start(medium, {.priority = 50}));
    const auto reply = call(handler.portal.selector(), 0, 0);
    EXPECT_EQ(reply.status, Status::Ok);
    EXPECT_EQ(left.load(), 2u);
    EXPECT(!low.done);
    EXPECT_EQ(medium.count.load(), 0u);
    medium_thread.destroy();
    EXPECT(eventually([&] { return low.done.load(); }));
    EXPECT_EQ(low.status, Status::Ok);
    low_thread.destroy();
    handler.destroy();
}

namespace {
/// Passes a call on to the portal that is its badge.
void pass_on(uint64_t badge, Request& request) {
    const auto reply = call(static_cast<Selector>(badge), 0, request.words[0]);
    request.words[0] = static_cast<uint64_t>(reply.status);
    request.reply(0);
}
}  // namespace

SYSTEM_TEST(priority_is_inherited_along_a_chain) {
    entered = left = 0;
    Handler last = NEEDED(Handler::create(message_handler<work>));
    Handler middle = NEEDED(Handler::create(message_handler<pass_on>, last.portal.selector()));
    Handler first = NEEDED(Handler::create(message_handler<pass_on>, middle.portal.selector()));
    Worker low;
    low.portal = first.portal.selector();
    low.work_ns = 20 * ns_per_ms;
    Thread low_thread = NEEDED(start_thread(Worker::run, &low, low_priority));
    REQUIRE(eventually([&] { return entered == 1; }));
    Spinner medium;
    Thread medium_thread = NEEDED(Spinner::start(medium, {.priority = 50}));
    EXPECT_EQ(call(first.portal.selector(), 0, 0).status, Status::Ok);
    EXPECT_EQ(medium.count.load(), 0u);
    medium_thread.destroy();
    EXPECT(eventually([&] { return low.done.load(); }));
    low_thread.destroy();
    first.destroy();
    middle.destroy();
    last.destroy();
}

SYSTEM_TEST(a_handlers_time_is_its_callers) {
    Handler handler = NEEDED(Handler::create(message_handler<work>));
    Worker worker;
    worker.portal = handler.portal.selector();
    worker.work_ns = 4 * ns_per_ms;
    runtime::ThreadOptions options;
    Thread thread = NEEDED(Thread::create(options, Worker::run, &worker));
    const uint64_t start = runtime::now_ns();
    // 4 ms of work at 1 ms per 10: it ends in the fourth period or later.
    EXPECT_OK(thread.start({.priority = high_priority, .budget_ns = ns_per_ms, .period_ns = 10 * ns_per_ms}));
    EXPECT(eventually([&] { return worker.done.load(); }));
    EXPECT(runtime::now_ns() - start >= 25 * ns_per_ms);
    thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(an_orphan_goes_on) {
    entered = left = 0;
    Handler handler = NEEDED(Handler::create(message_handler<work>));
    Worker worker;
    worker.portal = handler.portal.selector();
    worker.work_ns = 10 * ns_per_ms;
    Thread thread = NEEDED(start_thread(Worker::run, &worker, 50));
    REQUIRE(eventually([&] { return entered == 1; }));
    thread.destroy();
    // The next caller helps it to its end.
    EXPECT_EQ(call(handler.portal.selector(), 0, 0).status, Status::Ok);
    EXPECT_EQ(left.load(), 2u);
    handler.destroy();
}

SYSTEM_TEST(helpers_with_deadlines_leave) {
    entered = left = 0;
    Handler handler = NEEDED(Handler::create(message_handler<work>));
    Worker low;
    low.portal = handler.portal.selector();
    low.work_ns = 30 * ns_per_ms;
    Thread thread = NEEDED(start_thread(Worker::run, &low, low_priority));
    REQUIRE(eventually([&] { return entered == 1; }));
    runtime::Message message{0};
    message.with_deadline(runtime::deadline_in(3 * ns_per_ms));
    EXPECT_STATUS(message.call(handler.portal.selector()), Status::TimedOut);
    EXPECT(eventually([&] { return low.done.load(); }));
    EXPECT_EQ(low.status, Status::Ok);
    thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(many_callers_of_many_priorities) {
    entered = left = 0;
    constexpr unsigned count = 12;
    Handler handler = NEEDED(Handler::create(message_handler<work>));
    static Worker workers[count];
    Thread threads[count];
    for (unsigned i = 0; i < count; ++i) {
        workers[i].portal = handler.portal.selector();
        workers[i].work_ns = ns_per_ms / 4;
        workers[i].done = false;
        threads[i] = NEEDED(start_thread(Worker::run, &workers[i], static_cast<uint8_t>(1 + i * 17)));
    }
    for (Worker& worker : workers) {
        EXPECT(eventually([&] { return worker.done.load(); }));
        EXPECT_EQ(worker.status, Status::Ok);
    }
    EXPECT_EQ(left.load(), count);
    for (Thread& thread : threads) thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(all_cpus_run) {
    Spinner spinners[8];
    Thread threads[8];
    const uint32_t cpus = root().cpu_count < 8 ? root().cpu_count : 8;
    for (uint32_t cpu = 0; cpu < cpus; ++cpu)
        threads[cpu] = NEEDED(Spinner::start(spinners[cpu], {.priority = 50}, cpu));
    for (uint32_t cpu = 0; cpu < cpus; ++cpu) EXPECT(eventually([&] { return spinners[cpu].count > 1000; }));
    // Changes from here to there.
    for (uint32_t cpu = 0; cpu < cpus; ++cpu) {
        EXPECT_OK(SchedulingContext{threads[cpu].scheduling_context()}.set(40));
        const uint64_t count = spinners[cpu].count;
        EXPECT(eventually([&] { return spinners[cpu].count > count; }));
        threads[cpu].destroy();
    }
}

}  // namespace bulkhead::test
