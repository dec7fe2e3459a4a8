// SPDX-License-Identifier: Apache-2.0
// Scheduling: preemption by priority, turns among equals, budgets, and priority handed along calls to busy handlers.
#include <atomic>

#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

using runtime::message_handler;
using runtime::Request;
using runtime::SchedulingContext;
using runtime::Thread;

/// Counts as fast as it can.
struct Spinner {
    std::atomic<uint64_t> count{0};
    std::atomic<bool> stop{false};

    static void run(void* argument) {
        auto& spinner = *static_cast<Spinner*>(argument);
        while (!spinner.stop) ++spinner.count;
        runtime::stop_this_thread();
    }
    static abi::Result<Thread> start(Spinner& spinner, const runtime::Schedule& schedule, uint32_t cpu = 0) {
        runtime::ThreadOptions options;
        options.name = "spinner";
        options.cpu = cpu;
        auto thread = TRY(Thread::create(options, run, &spinner));
        TRY(thread.start(schedule));
        return thread;
    }
};

/// Keeps the CPU busy at the test's own priority.
void spin_for(uint64_t ns) {
    const uint64_t end = runtime::deadline_in(ns);
    while (runtime::now_ticks() < end) asm volatile("pause");
}

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
    const uint64_t start = runtime::now_ns();
    uint64_t mine = 0;
    uint64_t last = start;
    // Time in which this loop did not run shows as a gap.
    while (runtime::now_ns() < start + 200 * ns_per_ms) {
        const uint64_t now = runtime::now_ns();
        if (now - last < ns_per_ms) mine += now - last;
        last = now;
    }
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

namespace {
/// Keeps a pattern in the vector registers and looks whether it stays.
struct FpuUser {
    uint64_t pattern = 0;
    std::atomic<uint64_t> rounds{0};
    std::atomic<bool> wrong{false};
    static void run(void* argument) {
        auto& user = *static_cast<FpuUser*>(argument);
        asm volatile("movq %0, %%xmm0\n\tmovq %0, %%xmm15" : : "r"(user.pattern));
        for (;;) {
            uint64_t low = 0;
            uint64_t high = 0;
            asm volatile("movq %%xmm0, %0\n\tmovq %%xmm15, %1" : "=r"(low), "=r"(high));
            if (low != user.pattern || high != user.pattern) user.wrong = true;
            if (++user.rounds % 64 == 0) static_cast<void>(invoke(abi::Yield{}));
        }
    }
};
}  // namespace

SYSTEM_TEST(vector_registers_belong_to_their_thread) {
    FpuUser users[3];
    Thread threads[3];
    for (unsigned i = 0; i < 3; ++i) {
        users[i].pattern = 0x0101'0101'0101'0101u * (i + 1);
        runtime::ThreadOptions options;
        options.uses_fpu = true;
        threads[i] = NEEDED(Thread::create(options, FpuUser::run, &users[i]));
        EXPECT_OK(threads[i].start({.priority = 50}));
    }
    EXPECT(eventually([&] { return users[0].rounds > 5000 && users[1].rounds > 5000 && users[2].rounds > 5000; }));
    for (unsigned i = 0; i < 3; ++i) {
        EXPECT(!users[i].wrong);
        threads[i].destroy();
    }
}

namespace {
struct BaseUser {
    uint64_t value = 0;
    std::atomic<uint64_t> rounds{0};
    std::atomic<bool> wrong{false};
    static void run(void* argument) {
        auto& user = *static_cast<BaseUser*>(argument);
        for (;;) {
            uint64_t fs = 0;
            uint64_t gs = 0;
            asm volatile("mov %%fs:0, %0\n\tmov %%gs:0, %1" : "=r"(fs), "=r"(gs));
            if (fs != user.value || gs != user.value) user.wrong = true;
            if (++user.rounds % 64 == 0) static_cast<void>(invoke(abi::Yield{}));
        }
    }
};
}  // namespace

SYSTEM_TEST(segment_bases_belong_to_their_thread) {
    BaseUser users[2];
    Thread threads[2];
    for (unsigned i = 0; i < 2; ++i) {
        users[i].value = i + 1;
        runtime::ThreadOptions options;
        threads[i] = NEEDED(Thread::create(options, BaseUser::run, &users[i]));
        const auto base = reinterpret_cast<uint64_t>(&users[i].value);
        EXPECT_OK(invoke(abi::SetThreadBases{threads[i].selector(), base, base}));
        EXPECT_OK(threads[i].start({.priority = 50}));
    }
    EXPECT(eventually([&] { return users[0].rounds > 5000 && users[1].rounds > 5000; }));
    for (unsigned i = 0; i < 2; ++i) {
        EXPECT(!users[i].wrong);
        threads[i].destroy();
    }
}

namespace {
/// One of a ring of threads that pass a token on by signals and waits, each with something of its own to be switched.
struct RingMember {
    enum class Keeps : uint8_t { Nothing, Vectors, Bases };
    Keeps keeps = Keeps::Nothing;
    uint64_t value = 0;
    Notification mine;
    Notification next;
    std::atomic<unsigned> rounds{0};
    std::atomic<bool> wrong{false};

    static void run(void* argument) {
        auto& member = *static_cast<RingMember*>(argument);
        if (member.keeps == Keeps::Vectors) asm volatile("movq %0, %%xmm0\n\tmovq %0, %%xmm15" : : "r"(member.value));
        for (;;) {
            static_cast<void>(member.mine.wait());
            uint64_t first = member.value;
            uint64_t second = member.value;
            if (member.keeps == Keeps::Vectors)
                asm volatile("movq %%xmm0, %0\n\tmovq %%xmm15, %1" : "=r"(first), "=r"(second));
            if (member.keeps == Keeps::Bases) asm volatile("mov %%fs:0, %0\n\tmov %%gs:0, %1" : "=r"(first), "=r"(second));
            if (first != member.value || second != member.value) member.wrong = true;
            ++member.rounds;
            static_cast<void>(member.next.signal(1));
        }
    }
};
}  // namespace

SYSTEM_TEST(waiting_threads_keep_what_is_theirs) {
    using Keeps = RingMember::Keeps;
    constexpr Keeps kinds[] = {Keeps::Vectors, Keeps::Nothing, Keeps::Bases, Keeps::Vectors, Keeps::Bases, Keeps::Nothing};
    constexpr unsigned count = sizeof kinds / sizeof kinds[0];
    RingMember members[count];
    Thread threads[count];
    for (RingMember& member : members) member.mine = NEEDED(Notification::create());
    for (unsigned i = 0; i < count; ++i) {
        members[i].keeps = kinds[i];
        members[i].value = 0x0101'0101'0101'0101u * (i + 1);
        members[i].next = members[(i + 1) % count].mine;
        runtime::ThreadOptions options;
        options.uses_fpu = kinds[i] == Keeps::Vectors;
        threads[i] = NEEDED(Thread::create(options, RingMember::run, &members[i]));
        const auto base = reinterpret_cast<uint64_t>(&members[i].value);
        if (kinds[i] == Keeps::Bases) EXPECT_OK(invoke(abi::SetThreadBases{threads[i].selector(), base, base}));
        EXPECT_OK(threads[i].start({.priority = 50}));
    }
    EXPECT_OK(members[0].mine.signal(1));
    EXPECT(eventually([&] { return members[count - 1].rounds > 500; }));
    for (unsigned i = 0; i < count; ++i) {
        EXPECT(!members[i].wrong);
        threads[i].destroy();
        EXPECT_OK(members[i].mine.destroy());
    }
}

namespace {
/// Two threads that wake each other for ever, computing a little in between.
struct Players {
    Notification ping;
    Notification pong;
    uint64_t work_ns = 0;
    std::atomic<uint64_t> rounds{0};

    static void serve(void* argument) {
        auto& players = *static_cast<Players*>(argument);
        for (;;) {
            spin_for(players.work_ns);
            ++players.rounds;
            static_cast<void>(players.ping.signal(1));
            static_cast<void>(players.pong.wait());
        }
    }
    static void answer(void* argument) {
        auto& players = *static_cast<Players*>(argument);
        for (;;) {
            static_cast<void>(players.ping.wait());
            static_cast<void>(players.pong.signal(1));
        }
    }
    void destroy() {
        EXPECT_OK(ping.destroy());
        EXPECT_OK(pong.destroy());
    }
};
}  // namespace

SYSTEM_TEST(budgets_are_charged_across_signals_and_waits) {
    Players players{NEEDED(Notification::create()), NEEDED(Notification::create()), 20 * ns_per_us};
    Thread answering = NEEDED(start_thread(Players::answer, &players, high_priority));
    runtime::ThreadOptions options;
    Thread serving = NEEDED(Thread::create(options, Players::serve, &players));
    // A tenth of the CPU for one of them, in turns far shorter than its budget.
    EXPECT_OK(serving.start({.priority = high_priority, .budget_ns = 2 * ns_per_ms, .period_ns = 20 * ns_per_ms}));
    const uint64_t start = runtime::now_ns();
    uint64_t mine = 0;
    uint64_t last = start;
    while (runtime::now_ns() < start + 100 * ns_per_ms) {
        const uint64_t now = runtime::now_ns();
        if (now - last < ns_per_ms) mine += now - last;
        last = now;
    }
    EXPECT(players.rounds > 25);
    EXPECT(mine > 50 * ns_per_ms);
    EXPECT(mine < 97 * ns_per_ms);
    serving.destroy();
    answering.destroy();
    players.destroy();
}

SYSTEM_TEST(slices_end_beside_threads_that_wake_each_other) {
    Players players{NEEDED(Notification::create()), NEEDED(Notification::create())};
    Spinner spinners[2];
    Thread threads[4] = {NEEDED(start_thread(Players::answer, &players, 50)), NEEDED(start_thread(Players::serve, &players, 50)),
                         NEEDED(Spinner::start(spinners[0], {.priority = 50})),
                         NEEDED(Spinner::start(spinners[1], {.priority = 50}))};
    for (int i = 0; i < 2; ++i) {
        const uint64_t rounds = players.rounds;
        const uint64_t counts[] = {spinners[0].count, spinners[1].count};
        EXPECT(eventually(
            [&] { return players.rounds > rounds + 1 && spinners[0].count > counts[0] && spinners[1].count > counts[1]; }));
    }
    for (Thread& thread : threads) thread.destroy();
    players.destroy();
}

SYSTEM_TEST(a_turn_among_equals_is_a_slice) {
    /// The longest and the shortest of its turns between two others'.
    struct Turns {
        std::atomic<uint64_t> count{0};
        uint64_t shortest = ~uint64_t{0};
        uint64_t longest = 0;
        static void run(void* argument) {
            auto& turns = *static_cast<Turns*>(argument);
            const uint64_t gap = runtime::ns_to_ticks(ns_per_ms);
            uint64_t last = runtime::now_ticks();
            uint64_t begin = last;
            for (;;) {
                const uint64_t now = runtime::now_ticks();
                if (now - last > gap) {
                    // The first one began before the other was there.
                    if (turns.count++ != 0) {
                        const uint64_t turn = last - begin;
                        if (turn < turns.shortest) turns.shortest = turn;
                        if (turn > turns.longest) turns.longest = turn;
                    }
                    begin = now;
                }
                last = now;
            }
        }
    };
    // A timer set for others strikes in the middle of a turn.
    Players players{NEEDED(Notification::create()), NEEDED(Notification::create())};
    Thread others[] = {NEEDED(start_thread(Players::answer, &players, 50)), NEEDED(start_thread(Players::serve, &players, 50))};
    runtime::sleep_for(5 * ns_per_ms);
    for (Thread& thread : others) thread.destroy();
    Turns turns[2];
    Thread threads[] = {NEEDED(start_thread(Turns::run, &turns[0], 50)), NEEDED(start_thread(Turns::run, &turns[1], 50))};
    runtime::sleep_for(90 * ns_per_ms);
    for (Thread& thread : threads) thread.destroy();
    for (const Turns& side : turns) {
        EXPECT(side.count >= 2);
        EXPECT(side.shortest >= runtime::ns_to_ticks(9 * ns_per_ms));
        EXPECT(side.longest <= runtime::ns_to_ticks(11 * ns_per_ms));
    }
    players.destroy();
}

}  // namespace bulkhead::test
