// SPDX-License-Identifier: Apache-2.0
// Portal calls: what becomes of one when either side ends, is late or is busy, of chains of them and of cycles.
#include <atomic>
#include <cstring>

#include "abi/message.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

using runtime::Message;
using runtime::message_handler;
using runtime::Request;

/// Sleeps for as many nanoseconds as the first word says, then replies with 1 more than the second.
void sleep_first(uint64_t /*badge*/, Request& request) {
    runtime::sleep_for(request.words[0]);
    ++request.words[1];
    request.reply(1);
}

/// Calls the portal in the first word with the label in the second; replies with the status.
void call_on(uint64_t /*badge*/, Request& request) {
    const auto reply = call(static_cast<Selector>(request.words[0]), static_cast<uint32_t>(request.words[1]),
                            request.words[2], request.words[3]);
    request.words[0] = static_cast<uint64_t>(reply.status);
    request.words[1] = reply.words[0];
    request.reply(2);
}

void die_in_call(uint64_t /*badge*/, Request& /*request*/) { asm volatile("ud2"); }

/// What a worker thread of these tests does, and what came of it.
struct Caller {
    Selector portal = 0;
    uint64_t sleep_ns = 0;
    uint64_t deadline = 0;  ///< 0: none
    std::atomic<bool> started{false};
    std::atomic<bool> done{false};
    Status status = Status::Ok;
    uint64_t answer = 0;

    static void run(void* argument) {
        auto& self_ = *static_cast<Caller*>(argument);
        self_.started = true;
        Message message{0};
        message.words[0] = self_.sleep_ns;
        message.words[1] = 41;
        if (self_.deadline != 0) message.with_deadline(self_.deadline);
        self_.status = status_of(message.call(self_.portal));
        self_.answer = message.words[1];
        self_.done = true;
    }
};

constexpr uint64_t for_ever = 1'000 * runtime::ns_per_second;

}  // namespace

SYSTEM_TEST(deadlines) {
    Handler handler = NEEDED(Handler::create(message_handler<sleep_first>));
    Message late{0};
    late.with_deadline(runtime::now_ticks());
    EXPECT_STATUS(late.call(handler.portal.selector()), Status::TimedOut);
    Message zero{0};
    zero.with_deadline(0);
    EXPECT_STATUS(zero.call(handler.portal.selector()), Status::TimedOut);

    Message in_time{0};
    in_time.words[0] = ns_per_ms;
    in_time.words[1] = 5;
    in_time.with_deadline(soon());
    EXPECT_OK(in_time.call(handler.portal.selector()));
    EXPECT_EQ(in_time.words[1], 6u);

    const uint64_t deadline = runtime::deadline_in(5 * ns_per_ms);
    Message slow{0};
    slow.words[0] = 40 * ns_per_ms;
    slow.with_deadline(deadline);
    EXPECT_STATUS(slow.call(handler.portal.selector()), Status::TimedOut);
    EXPECT(runtime::now_ticks() >= deadline);
    EXPECT(runtime::now_ticks() < deadline + runtime::ns_to_ticks(30 * ns_per_ms));
    // The orphan ends its work, its reply is dropped, and it serves the next.
    Message next{0};
    next.words[1] = 10;
    EXPECT_OK(next.call(handler.portal.selector()));
    EXPECT_EQ(next.words[1], 11u);
    handler.destroy();
}

SYSTEM_TEST(deadline_while_the_handler_is_busy) {
    Handler handler = NEEDED(Handler::create(message_handler<sleep_first>));
    Caller first;
    first.portal = handler.portal.selector();
    first.sleep_ns = 100 * ns_per_ms;
    runtime::Thread thread = NEEDED(start_thread(Caller::run, &first, high_priority));
    REQUIRE(eventually([&] { return first.started.load(); }));
    Message second{0};
    const uint64_t deadline = runtime::deadline_in(5 * ns_per_ms);
    second.with_deadline(deadline);
    EXPECT_STATUS(second.call(handler.portal.selector()), Status::TimedOut);
    EXPECT(runtime::now_ticks() >= deadline);
    EXPECT(!first.done.load());  // the handler, which sleeps, is not waited for
    REQUIRE(eventually([&] { return first.done.load(); }));
    EXPECT_EQ(first.status, Status::Ok);
    EXPECT_EQ(first.answer, 42u);
    thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(caller_destroyed_in_mid_call) {
    Handler handler = NEEDED(Handler::create(message_handler<sleep_first>));
    Caller caller;
    caller.portal = handler.portal.selector();
    caller.sleep_ns = 20 * ns_per_ms;
    runtime::Thread thread = NEEDED(start_thread(Caller::run, &caller, high_priority));
    REQUIRE(eventually([&] { return caller.started.load(); }));
    thread.destroy();
    Message next{0};
    next.words[1] = 1;
    EXPECT_OK(next.call(handler.portal.selector()));
    EXPECT_EQ(next.words[1], 2u);
    EXPECT(!caller.done);
    handler.destroy();
}

SYSTEM_TEST(callee_destroyed_in_mid_call) {
    Handler handler = NEEDED(Handler::create(message_handler<sleep_first>));
    Caller caller;
    caller.portal = handler.portal.selector();
    caller.sleep_ns = for_ever;
    runtime::Thread thread = NEEDED(start_thread(Caller::run, &caller, high_priority));
    REQUIRE(eventually([&] { return caller.started.load(); }));
    handler.destroy();
    EXPECT(eventually([&] { return caller.done.load(); }));
    EXPECT_EQ(caller.status, Status::Aborted);
    thread.destroy();
}

SYSTEM_TEST(portal_destroyed_in_mid_call) {
    Handler handler = NEEDED(Handler::create(message_handler<sleep_first>));
    Caller caller;
    caller.portal = handler.portal.selector();
    caller.sleep_ns = 10 * ns_per_ms;
    runtime::Thread thread = NEEDED(start_thread(Caller::run, &caller, high_priority));
    REQUIRE(eventually([&] { return caller.started.load(); }));
    EXPECT_OK(handler.portal.destroy());
    EXPECT(eventually([&] { return caller.done.load(); }));
    EXPECT(caller.status == Status::Ok || caller.status == Status::Aborted);
    thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(callee_destroyed_while_others_help) {
    Handler handler = NEEDED(Handler::create(message_handler<sleep_first>));
    Caller callers[3];
    runtime::Thread threads[3];
    for (int i = 0; i < 3; ++i) {
        callers[i].portal = handler.portal.selector();
        callers[i].sleep_ns = for_ever;
        threads[i] = NEEDED(start_thread(Caller::run, &callers[i], static_cast<uint8_t>(high_priority - i)));
    }
    for (Caller& caller : callers) REQUIRE(eventually([&] { return caller.started.load(); }));
    runtime::sleep_for(2 * ns_per_ms);
    handler.destroy();
    for (Caller& caller : callers) {
        EXPECT(eventually([&] { return caller.done.load(); }));
        EXPECT(caller.status == Status::Aborted || caller.status == Status::BadCapability);
    }
    for (runtime::Thread& thread : threads) thread.destroy();
}

SYSTEM_TEST(busy_handler_serves_all) {
    Handler handler = NEEDED(Handler::create(message_handler<sleep_first>));
    Caller callers[4];
    runtime::Thread threads[4];
    for (int i = 0; i < 4; ++i) {
        callers[i].portal = handler.portal.selector();
        callers[i].sleep_ns = 2 * ns_per_ms;
        threads[i] = NEEDED(start_thread(Caller::run, &callers[i], static_cast<uint8_t>(low_priority + 50 * i)));
    }
    for (Caller& caller : callers) {
        EXPECT(eventually([&] { return caller.done.load(); }));
        EXPECT_EQ(caller.status, Status::Ok);
        EXPECT_EQ(caller.answer, 42u);
    }
    for (runtime::Thread& thread : threads) thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(cycles) {
    Handler a = NEEDED(Handler::create(message_handler<call_on>));
    Handler b = NEEDED(Handler::create(message_handler<call_on>));
    // A calls itself.
    auto reply = call(a.portal.selector(), 0, a.portal.selector());
    EXPECT_EQ(reply.status, Status::Ok);
    EXPECT_EQ(static_cast<Status>(reply.words[0]), Status::Cycle);
    // A calls B calls A.
    reply = call(a.portal.selector(), 0, b.portal.selector(), 0, a.portal.selector());
    EXPECT_EQ(reply.status, Status::Ok);
    EXPECT_EQ(static_cast<Status>(reply.words[0]), Status::Ok);
    EXPECT_EQ(static_cast<Status>(reply.words[1]), Status::Cycle);
    // Both serve again.
    EXPECT_EQ(call(a.portal.selector(), 0, b.portal.selector()).status, Status::Ok);
    a.destroy();
    b.destroy();
}

namespace {
/// Calls the next portal of a chain (word 0: first slot, word 1: how many are left); replies with the depth reached.
void descend(uint64_t /*badge*/, Request& request) {
    uint64_t depth = 1;
    if (request.words[1] > 1) {
        const auto reply = call(static_cast<Selector>(request.words[0]), 0, request.words[0] + 1, request.words[1] - 1);
        depth += reply.status == Status::Ok ? reply.words[0] : 1000;
    }
    request.words[0] = depth;
    request.reply(0);
}
}  // namespace

SYSTEM_TEST(chains) {
    constexpr unsigned length = 8;
    const Selector first = NEEDED(runtime::allocate_slots(length));
    Handler handlers[length];
    for (unsigned i = 0; i < length; ++i) {
        handlers[i] = NEEDED(Handler::create(message_handler<descend>));
        EXPECT_OK(handlers[i].portal.copy_to(self, first + i));
    }
    const auto reply = call(first, 0, first + 1, length);
    EXPECT_EQ(reply.status, Status::Ok);
    EXPECT_EQ(reply.words[0], uint64_t{length});
    for (unsigned i = 0; i < length; ++i) {
        handlers[i].destroy();
        static_cast<void>(invoke(abi::RemoveCapability{self, first + i}));
    }
    runtime::release_slots(first, length);
}

SYSTEM_TEST(wrong_cpu) {
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    Handler handler = NEEDED(Handler::create(message_handler<sleep_first>, 0, 1));
    EXPECT_EQ(call(handler.portal.selector(), 0).status, Status::WrongCpu);
    Caller caller;
    caller.portal = handler.portal.selector();
    runtime::Thread thread = NEEDED(start_thread(Caller::run, &caller, test_priority, 1));
    EXPECT(eventually([&] { return caller.done.load(); }));
    EXPECT_EQ(caller.status, Status::Ok);
    thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(domain_of_the_callee_destroyed_in_mid_call) {
    Child child = NEEDED(Child::create());
    runtime::Portal portal = NEEDED(child.create_portal(message_handler<die_in_call>));
    Caller caller;
    caller.portal = portal.selector();
    runtime::Thread thread = NEEDED(start_thread(Caller::run, &caller, high_priority));
    REQUIRE(eventually([&] { return caller.started.load(); }));
    runtime::sleep_for(2 * ns_per_ms);
    EXPECT(!caller.done);
    child.destroy();
    EXPECT(eventually([&] { return caller.done.load(); }));
    EXPECT_EQ(caller.status, Status::Aborted);
    thread.destroy();
    portal.forget();
}

SYSTEM_TEST(domain_of_the_caller_destroyed_in_mid_call) {
    Handler handler = NEEDED(Handler::create(message_handler<sleep_first>));
    Child child = NEEDED(Child::create());
    EXPECT_OK(child.give(handler.portal.selector(), 20));
    auto* caller = new (&child.shared<char>()) Caller;
    caller->portal = 20;
    caller->sleep_ns = 20 * ns_per_ms;
    NEEDED(child.start(Caller::run, caller, high_priority));
    REQUIRE(eventually([&] { return caller->started.load(); }));
    child.destroy();
    Message next{0};
    next.words[1] = 1;
    EXPECT_OK(next.call(handler.portal.selector()));
    EXPECT_EQ(next.words[1], 2u);
    handler.destroy();
}

}  // namespace bulkhead::test
