// SPDX-License-Identifier: Apache-2.0
// What a switch between threads keeps and charges: vector registers and segment bases, and budgets and slices where
// threads wake each other by signals and waits.
#include <atomic>

#include "tests/system/framework/spinner.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {

using runtime::Thread;

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
    const uint64_t mine = own_time_ns(100 * ns_per_ms);
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
