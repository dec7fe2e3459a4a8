// SPDX-License-Identifier: Apache-2.0
// Orphans: handlers whose caller has left go on with their fallback scheduling context, if they have one. Runs where
// time is counted in instructions.
#include <atomic>

#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

using runtime::Message;
using runtime::message_handler;
using runtime::Request;
using runtime::SchedulingContext;
using runtime::Thread;

std::atomic<unsigned> entered;
std::atomic<unsigned> left;

/// Word 0: nanoseconds to work, word 1: to sleep. Replies with how many calls it has ended.
void work(uint64_t /*badge*/, Request& request) {
    ++entered;
    if (request.words[1] != 0) runtime::sleep_for(request.words[1]);
    const uint64_t gap = runtime::ns_to_ticks(ns_per_ms / 4);
    uint64_t wanted = runtime::ns_to_ticks(request.words[0]);
    for (uint64_t last = runtime::now_ticks(); wanted > 0;) {
        const uint64_t now = runtime::now_ticks();
        const uint64_t ran = now - last;
        last = now;
        if (ran < gap) wanted -= ran < wanted ? ran : wanted;
    }
    request.words[0] = ++left;
    request.reply(7);
}

/// Passes the call on to the portal that is its badge.
void pass_on(uint64_t badge, Request& request) {
    Message message{0};
    message.words[0] = request.words[0];
    message.words[1] = request.words[1];
    static_cast<void>(message.call(static_cast<Selector>(badge)));
    request.words[0] = message.words[0];
    request.reply(8);
}

Status call_with_deadline(const Handler& handler, uint64_t ns, uint64_t work_ns, uint64_t sleep_ns = 0) {
    Message message{0};
    message.words[0] = work_ns;
    message.words[1] = sleep_ns;
    message.with_deadline(runtime::deadline_in(ns));
    return status_of(message.call(handler.portal.selector()));
}

/// A handler with a fallback less urgent than the test.
abi::Result<Handler> with_fallback(runtime::HandlerEntry entry, uint64_t badge = 0, uint8_t priority = 50) {
    Handler handler = TRY(Handler::create(entry, badge));
    TRY(handler.thread.start({.priority = priority}));
    return handler;
}

}  // namespace

SYSTEM_TEST(an_orphan_ends_its_work_on_its_fallback) {
    entered = left = 0;
    Handler handler = NEEDED(with_fallback(message_handler<work>));
    for (unsigned round = 1; round <= 4; ++round) {
        EXPECT_EQ(call_with_deadline(handler, 2 * ns_per_ms, 8 * ns_per_ms), Status::TimedOut);
        EXPECT_EQ(left.load(), 2 * round - 2);
        // Nobody helps it, its reply is dropped, and the next call gets its own.
        EXPECT(eventually([&] { return left == 2 * round - 1; }));
        EXPECT_EQ(call(handler.portal.selector(), 0, 0).words[0], 2 * round);
    }
    handler.destroy();
}

SYSTEM_TEST(an_orphan_that_waits_goes_on_later) {
    entered = left = 0;
    Handler handler = NEEDED(with_fallback(message_handler<work>));
    EXPECT_EQ(call_with_deadline(handler, 2 * ns_per_ms, ns_per_ms, 10 * ns_per_ms), Status::TimedOut);
    EXPECT_EQ(left.load(), 0u);
    EXPECT(eventually([&] { return left == 1; }));
    EXPECT_EQ(call(handler.portal.selector(), 0, 0).words[0], 2u);
    handler.destroy();
}

SYSTEM_TEST(an_orphan_without_fallback_waits_for_help) {
    entered = left = 0;
    Handler handler = NEEDED(Handler::create(message_handler<work>));
    EXPECT_EQ(call_with_deadline(handler, 2 * ns_per_ms, 8 * ns_per_ms), Status::TimedOut);
    runtime::sleep_for(20 * ns_per_ms);
    EXPECT_EQ(left.load(), 0u);
    // One that comes late serves as well.
    EXPECT_OK(handler.thread.start({.priority = 50}));
    EXPECT(eventually([&] { return left == 1; }));
    EXPECT_EQ(call(handler.portal.selector(), 0, 0).words[0], 2u);
    handler.destroy();
}

SYSTEM_TEST(an_orphan_on_its_fallback_is_helped) {
    entered = left = 0;
    Handler handler = NEEDED(with_fallback(message_handler<work>, 0, low_priority));
    struct Spinner {
        static void run(void* argument) {
            while (!*static_cast<std::atomic<bool>*>(argument)) asm volatile("pause");
            runtime::stop_this_thread();
        }
    };
    std::atomic<bool> stop{false};
    Thread spinner = NEEDED(start_thread(Spinner::run, &stop, 50));
    EXPECT_EQ(call_with_deadline(handler, 2 * ns_per_ms, 8 * ns_per_ms), Status::TimedOut);
    runtime::sleep_for(20 * ns_per_ms);
    EXPECT_EQ(left.load(), 0u);  // the spinner is more urgent than the fallback
    EXPECT_EQ(call(handler.portal.selector(), 0, 0).words[0], 2u);
    EXPECT_EQ(left.load(), 2u);
    stop = true;
    spinner.destroy();
    EXPECT_EQ(call(handler.portal.selector(), 0, 0).words[0], 3u);
    handler.destroy();
}

SYSTEM_TEST(whoever_works_for_an_orphan_goes_on_too) {
    entered = left = 0;
    Handler last = NEEDED(Handler::create(message_handler<work>));
    Handler middle = NEEDED(Handler::create(message_handler<pass_on>, last.portal.selector()));
    Handler first = NEEDED(with_fallback(message_handler<pass_on>, middle.portal.selector()));
    for (const uint64_t sleep_ns : {uint64_t{0}, 8 * ns_per_ms}) {
        left = 0;
        EXPECT_EQ(call_with_deadline(first, 2 * ns_per_ms, 8 * ns_per_ms, sleep_ns), Status::TimedOut);
        EXPECT(eventually([&] { return left == 1; }));
        runtime::sleep_for(ns_per_ms);
        EXPECT_EQ(call(first.portal.selector(), 0, 0).words[0], 2u);
    }
    first.destroy();
    middle.destroy();
    last.destroy();
}

SYSTEM_TEST(callers_that_die_leave_an_orphan_that_ends) {
    struct Caller {
        Selector portal;
        static void run(void* argument) {
            static_cast<void>(call(static_cast<Caller*>(argument)->portal, 0, 8 * ns_per_ms));
            runtime::stop_this_thread();
        }
    };
    entered = left = 0;
    Handler handler = NEEDED(with_fallback(message_handler<work>));
    Caller caller{handler.portal.selector()};
    for (unsigned round = 1; round <= 2; ++round) {
        Thread thread = NEEDED(start_thread(Caller::run, &caller, 60));
        EXPECT(eventually([&] { return entered == round; }));
        EXPECT_EQ(left.load(), round - 1);
        // Its time goes first, or it itself.
        if (round == 1) EXPECT_OK(invoke(abi::Destroy{thread.scheduling_context()}));
        if (round == 2) EXPECT_OK(invoke(abi::Destroy{thread.selector()}));
        EXPECT(eventually([&] { return left == round; }));
        thread.destroy();
    }
    EXPECT_EQ(call(handler.portal.selector(), 0, 0).words[0], 3u);
    handler.destroy();
}

SYSTEM_TEST(a_fallback_has_a_budget) {
    entered = left = 0;
    Handler handler = NEEDED(Handler::create(message_handler<work>));
    EXPECT_OK(handler.thread.start({.priority = high_priority, .budget_ns = ns_per_ms, .period_ns = 10 * ns_per_ms}));
    for (unsigned round = 1; round <= 2; ++round) {
        EXPECT_EQ(call_with_deadline(handler, 2 * ns_per_ms, 6 * ns_per_ms), Status::TimedOut);
        const uint64_t start = runtime::now_ns();
        EXPECT(eventually([&] { return left == round; }));
        EXPECT(runtime::now_ns() - start >= 15 * ns_per_ms);
    }
    handler.destroy();
}

SYSTEM_TEST(a_fallback_is_destroyed) {
    entered = left = 0;
    Handler handler = NEEDED(with_fallback(message_handler<work>));
    // While it is not used,
    Thread& thread = handler.thread;
    EXPECT_OK(invoke(abi::Destroy{thread.scheduling_context()}));
    EXPECT_EQ(call(handler.portal.selector(), 0, 0).words[0], 1u);
    // and while it is: the orphan stands still until it is helped.
    SchedulingContext second = NEEDED(SchedulingContext::create(thread.selector(), 50));
    EXPECT_EQ(call_with_deadline(handler, 2 * ns_per_ms, 8 * ns_per_ms), Status::TimedOut);
    EXPECT_OK(second.destroy());
    runtime::sleep_for(20 * ns_per_ms);
    EXPECT_EQ(left.load(), 1u);
    EXPECT_EQ(call(handler.portal.selector(), 0, 0).words[0], 3u);
    // The handler dies on it.
    SchedulingContext third = NEEDED(SchedulingContext::create(thread.selector(), 50));
    EXPECT_EQ(call_with_deadline(handler, 2 * ns_per_ms, 8 * ns_per_ms), Status::TimedOut);
    handler.destroy();
    EXPECT_OK(third.destroy());
    EXPECT_EQ(left.load(), 3u);
}

}  // namespace bulkhead::test
