// SPDX-License-Identifier: Apache-2.0
// Notifications: bits, masks, deadlines, the one waiter, and signals from other CPUs.
#include <atomic>

#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

/// A thread that waits, and what came of it.
struct Waiter {
    Notification notification;
    uint64_t mask = ~uint64_t{0};
    uint64_t deadline = abi::no_deadline;
    std::atomic<bool> started{false};
    std::atomic<bool> done{false};
    Status status = Status::Ok;
    uint64_t bits = 0;

    static void run(void* argument) {
        auto& self_ = *static_cast<Waiter*>(argument);
        self_.started = true;
        const auto result = self_.notification.wait(self_.mask, self_.deadline);
        self_.status = status_of(result);
        self_.bits = result.value_or(0);
        self_.done = true;
    }
};

}  // namespace

SYSTEM_TEST(bits_gather_and_are_cleared) {
    Notification n = NEEDED(Notification::create());
    EXPECT_EQ(n.poll(), 0u);
    EXPECT_OK(n.signal(0b0101));
    EXPECT_OK(n.signal(0b0110));
    EXPECT_OK(n.signal(uint64_t{1} << 63));
    EXPECT_EQ(NEEDED(n.wait()), 0b0111u | uint64_t{1} << 63);
    EXPECT_EQ(n.poll(), 0u);
    EXPECT_OK(n.signal(0));
    EXPECT_EQ(n.poll(), 0u);
    EXPECT_OK(n.destroy());
}

SYSTEM_TEST(only_the_masks_bits_are_taken) {
    Notification n = NEEDED(Notification::create());
    EXPECT_OK(n.signal(0xff));
    EXPECT_EQ(NEEDED(n.wait(0x0f)), 0x0fu);
    EXPECT_STATUS(n.wait(0x0f, shortly()), Status::TimedOut);
    EXPECT_EQ(NEEDED(n.wait(0xf00 | 0x30)), 0x30u);
    EXPECT_EQ(NEEDED(n.wait()), 0xc0u);
    EXPECT_STATUS(n.wait(0), Status::BadArgument);
    EXPECT_OK(n.destroy());
}

SYSTEM_TEST(deadlines_pass) {
    Notification n = NEEDED(Notification::create());
    EXPECT_STATUS(n.wait(1, 0), Status::TimedOut);
    EXPECT_STATUS(n.wait(1, runtime::now_ticks()), Status::TimedOut);
    for (const uint64_t ns : {20 * ns_per_us, ns_per_ms, 20 * ns_per_ms}) {
        const uint64_t deadline = runtime::deadline_in(ns);
        EXPECT_STATUS(n.wait(1, deadline), Status::TimedOut);
        EXPECT(runtime::now_ticks() >= deadline);
        EXPECT(runtime::now_ticks() < deadline + runtime::ns_to_ticks(200 * ns_per_ms));
    }
    EXPECT_OK(n.signal(1));
    EXPECT_EQ(NEEDED(n.wait(1, 0)), 1u);
    EXPECT_OK(n.destroy());
}

SYSTEM_TEST(a_signal_wakes_the_waiter) {
    Waiter waiter;
    waiter.notification = NEEDED(Notification::create());
    waiter.mask = 0b10;
    runtime::Thread thread = NEEDED(start_thread(Waiter::run, &waiter, high_priority));
    REQUIRE(eventually([&] { return waiter.started.load(); }));
    EXPECT_OK(waiter.notification.signal(0b101));
    runtime::sleep_for(2 * ns_per_ms);
    EXPECT(!waiter.done);
    EXPECT_OK(waiter.notification.signal(0b010));
    EXPECT(eventually([&] { return waiter.done.load(); }));
    EXPECT_EQ(waiter.bits, 0b10u);
    EXPECT_EQ(waiter.notification.poll(), 0b101u);
    thread.destroy();
    EXPECT_OK(waiter.notification.destroy());
}

SYSTEM_TEST(one_waiter_only) {
    Waiter waiter;
    waiter.notification = NEEDED(Notification::create());
    runtime::Thread thread = NEEDED(start_thread(Waiter::run, &waiter, high_priority));
    REQUIRE(eventually([&] { return waiter.started.load(); }));
    EXPECT_STATUS(waiter.notification.wait(1, shortly()), Status::Busy);
    // A waiter that is destroyed makes room.
    thread.destroy();
    EXPECT_STATUS(waiter.notification.wait(1, shortly()), Status::TimedOut);
    EXPECT(!waiter.done);
    EXPECT_OK(waiter.notification.destroy());
}

SYSTEM_TEST(destroyed_under_its_waiter) {
    Waiter waiter;
    waiter.notification = NEEDED(Notification::create());
    runtime::Thread thread = NEEDED(start_thread(Waiter::run, &waiter, high_priority));
    REQUIRE(eventually([&] { return waiter.started.load(); }));
    EXPECT_OK(waiter.notification.destroy());
    EXPECT(eventually([&] { return waiter.done.load(); }));
    EXPECT_EQ(waiter.status, Status::Aborted);
    thread.destroy();
}

SYSTEM_TEST(derived_notifications_signal_their_bits) {
    Notification n = NEEDED(Notification::create());
    Notification d = NEEDED(n.derive(0xf0));
    EXPECT_OK(d.signal(~uint64_t{0}));
    EXPECT_EQ(n.poll(), 0xf0u);
    EXPECT(!d.wait(1, 0).ok());
    Notification dd = NEEDED(d.derive(0x3f));
    EXPECT_OK(dd.signal(~uint64_t{0}));
    EXPECT_EQ(n.poll(), 0x30u);
    Waiter waiter;
    waiter.notification = n;
    runtime::Thread thread = NEEDED(start_thread(Waiter::run, &waiter, high_priority));
    REQUIRE(eventually([&] { return waiter.started.load(); }));
    EXPECT_OK(dd.signal(0x10));
    EXPECT(eventually([&] { return waiter.done.load(); }));
    EXPECT_EQ(waiter.bits, 0x10u);
    thread.destroy();
    EXPECT_OK(d.destroy());
    EXPECT_STATUS(dd.signal(1), Status::BadCapability);
    EXPECT_OK(n.signal(1));
    EXPECT_OK(n.destroy());
    dd.forget();
}

SYSTEM_TEST(rights_of_either_side) {
    Notification n = NEEDED(Notification::create());
    Notification signal_only{NEEDED(n.restricted(abi::NotificationRight::Signal))};
    Notification wait_only{NEEDED(n.restricted(abi::NotificationRight::Wait))};
    EXPECT_OK(signal_only.signal(1));
    EXPECT_STATUS(signal_only.wait(1, 0), Status::MissingRight);
    EXPECT_EQ(NEEDED(wait_only.wait(1, 0)), 1u);
    EXPECT_STATUS(wait_only.signal(1), Status::MissingRight);
    EXPECT_STATUS(invoke(abi::Destroy{wait_only.selector()}), Status::MissingRight);
    EXPECT_STATUS(wait_only.derive(1), Status::MissingRight);
    EXPECT_OK(n.destroy());
    signal_only.forget();
    wait_only.forget();
}

namespace {
/// Two threads that hand a token to and fro. With a deadline each wait takes the kernel's general path.
struct PingPong {
    Notification to;
    Notification from;
    unsigned rounds = 0;
    bool limited = false;
    std::atomic<unsigned> count{0};
    std::atomic<bool> done{false};

    static void answer(void* argument) {
        auto& self_ = *static_cast<PingPong*>(argument);
        for (unsigned i = 0; i < self_.rounds; ++i) {
            if (!self_.to.wait(1, self_.deadline()).ok()) return;
            ++self_.count;
            static_cast<void>(self_.from.signal(1));
        }
        self_.done = true;
    }
    uint64_t deadline() const { return limited ? soon() : abi::no_deadline; }
};

void ping_pong(uint32_t cpu, unsigned rounds, bool limited) {
    PingPong game;
    game.limited = limited;
    game.to = NEEDED(Notification::create());
    game.from = NEEDED(Notification::create());
    game.rounds = rounds;
    runtime::Thread thread = NEEDED(start_thread(PingPong::answer, &game, test_priority, cpu));
    for (unsigned i = 0; i < rounds; ++i) {
        EXPECT_OK(game.to.signal(1));
        EXPECT_STATUS(game.from.wait(1, game.deadline()), Status::Ok);
        if (has_failed()) break;
    }
    EXPECT(eventually([&] { return game.done.load(); }));
    EXPECT_EQ(game.count.load(), rounds);
    thread.destroy();
    EXPECT_OK(game.to.destroy());
    EXPECT_OK(game.from.destroy());
}
}  // namespace

SYSTEM_TEST(ping_pong_on_one_cpu) {
    ping_pong(0, 1000, false);
    ping_pong(0, 1000, true);
}

SYSTEM_TEST(ping_pong_across_cpus) {
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    for (uint32_t cpu = 1; cpu < root().cpu_count; ++cpu) {
        ping_pong(cpu, 300, false);
        ping_pong(cpu, 300, true);
    }
}

namespace {
/// A call with every register set; whether only the results changed.
bool keeps_registers(abi::CallNumber number, Selector selector, uint64_t bits, uint64_t deadline) {
    abi::Registers registers;
    for (unsigned i = 0; i < static_cast<unsigned>(abi::Register::Count); ++i)
        registers.words[i] = 0x1111'1111'1111'1111u * (i + 1);
    registers[abi::Register::Rax] = static_cast<uint64_t>(number);
    registers[abi::Register::Rdi] = selector;
    registers[abi::Register::Rsi] = bits;
    registers[abi::Register::R8] = deadline;
    abi::Registers before = registers;
    before[abi::Register::Rax] = 0;
    raw_call(registers);
    for (unsigned i = 0; i < static_cast<unsigned>(abi::Register::Count); ++i)
        if (registers.words[i] != before.words[i]) return false;
    return true;
}

/// Waits for one bit at a time, by either path, and answers.
struct RegisterKeeper {
    Notification to;
    Notification from;
    std::atomic<unsigned> right{0};
    static void run(void* argument) {
        auto& self_ = *static_cast<RegisterKeeper*>(argument);
        for (unsigned i = 0;; ++i) {
            const uint64_t deadline = i % 2 == 0 ? abi::no_deadline : soon();
            if (keeps_registers(abi::number_of<abi::Wait>, self_.to.selector(), 4, deadline)) ++self_.right;
            if (keeps_registers(abi::number_of<abi::Signal>, self_.from.selector(), 2, 0)) ++self_.right;
        }
    }
};
}  // namespace

SYSTEM_TEST(registers_survive_signals_and_waits) {
    // The other side preempts, waits its turn, or runs when this one waits.
    for (const uint8_t priority : {high_priority, test_priority, low_priority}) {
        RegisterKeeper keeper;
        keeper.to = NEEDED(Notification::create());
        keeper.from = NEEDED(Notification::create());
        runtime::Thread thread = NEEDED(start_thread(RegisterKeeper::run, &keeper, priority));
        for (unsigned i = 0; i < 6; ++i) {
            EXPECT(keeps_registers(abi::number_of<abi::Signal>, keeper.to.selector(), 4, 0));
            EXPECT(keeps_registers(abi::number_of<abi::Wait>, keeper.from.selector(), 2, abi::no_deadline));
        }
        runtime::sleep_for(ns_per_ms);
        EXPECT_EQ(keeper.right.load(), 12u);
        // With nobody waiting, and with the bit there.
        EXPECT(keeps_registers(abi::number_of<abi::Signal>, keeper.from.selector(), 8, 0));
        EXPECT(keeps_registers(abi::number_of<abi::Wait>, keeper.from.selector(), 8, abi::no_deadline));
        thread.destroy();
        EXPECT_OK(keeper.to.destroy());
        EXPECT_OK(keeper.from.destroy());
    }
}

SYSTEM_TEST(deadlines_of_waits_that_ended_are_gone) {
    Notification n = NEEDED(Notification::create());
    struct Signaller {
        Notification to;
        static void run(void* argument) {
            auto& self_ = *static_cast<Signaller*>(argument);
            for (;;) {
                runtime::sleep_for(2 * ns_per_ms);
                static_cast<void>(self_.to.signal(1));
            }
        }
    };
    Signaller signaller{n};
    runtime::Thread thread = NEEDED(start_thread(Signaller::run, &signaller, high_priority));
    for (int i = 0; i < 5; ++i) {
        EXPECT_STATUS(n.wait(1), Status::Ok);
        const uint64_t passes = runtime::deadline_in(10 * ns_per_ms);
        const Status status = status_of(n.wait(1, passes));
        EXPECT(status == Status::Ok || runtime::now_ticks() >= passes);  // on a busy host
        // The deadline passes while this one waits without any.
        while (runtime::now_ticks() < passes) EXPECT_STATUS(n.wait(1), Status::Ok);
        const uint64_t deadline = runtime::deadline_in(ns_per_ms / 2);
        EXPECT_STATUS(n.wait(2, deadline), Status::TimedOut);
        EXPECT(runtime::now_ticks() >= deadline);
    }
    thread.destroy();
    EXPECT_OK(n.destroy());
}

SYSTEM_TEST(signals_from_all_cpus_arrive) {
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    struct Signaller {
        Notification target;
        std::atomic<bool> done{false};
        static void run(void* argument) {
            auto& self_ = *static_cast<Signaller*>(argument);
            const uint64_t bit = uint64_t{1} << runtime::this_cpu();
            for (int i = 0; i < 500; ++i) static_cast<void>(self_.target.signal(bit));
            self_.done = true;
        }
    };
    Notification n = NEEDED(Notification::create());
    const uint32_t cpus = root().cpu_count;
    Signaller signallers[8];
    runtime::Thread threads[8];
    uint64_t wanted = 0;
    for (uint32_t cpu = 1; cpu < cpus && cpu < 8; ++cpu) {
        signallers[cpu].target = n;
        threads[cpu] = NEEDED(start_thread(Signaller::run, &signallers[cpu], test_priority, cpu));
        wanted |= uint64_t{1} << cpu;
    }
    uint64_t seen = 0;
    const uint64_t deadline = soon();
    while (seen != wanted && runtime::now_ticks() < deadline) seen |= n.wait(~uint64_t{0}, deadline).value_or(0);
    EXPECT_EQ(seen, wanted);
    for (uint32_t cpu = 1; cpu < cpus && cpu < 8; ++cpu) {
        EXPECT(eventually([&] { return signallers[cpu].done.load(); }));
        threads[cpu].destroy();
    }
    EXPECT_OK(n.destroy());
}

SYSTEM_TEST(waiters_destroyed_on_other_cpus) {
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    for (int i = 0; i < 20; ++i) {
        Waiter waiter;
        waiter.notification = NEEDED(Notification::create());
        waiter.deadline = runtime::deadline_in(ns_per_ms);
        runtime::Thread thread = NEEDED(start_thread(Waiter::run, &waiter, test_priority, 1));
        runtime::sleep_for(static_cast<uint64_t>(i) * 100 * ns_per_us);
        if (i % 2 == 0) EXPECT_OK(waiter.notification.signal(1));
        thread.destroy();
        EXPECT_OK(waiter.notification.destroy());
    }
}

SYSTEM_TEST(notifications_destroyed_under_waiters_on_other_cpus) {
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    for (int i = 0; i < 20; ++i) {
        Waiter waiter;
        waiter.notification = NEEDED(Notification::create());
        runtime::Thread thread = NEEDED(start_thread(Waiter::run, &waiter, test_priority, 1));
        runtime::sleep_for(static_cast<uint64_t>(i) * 50 * ns_per_us);
        EXPECT_OK(waiter.notification.destroy());
        EXPECT(eventually([&] { return waiter.done.load(); }));
        EXPECT(waiter.status == Status::Aborted || waiter.status == Status::BadCapability);
        thread.destroy();
    }
}

}  // namespace bulkhead::test
