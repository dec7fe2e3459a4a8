// SPDX-License-Identifier: Apache-2.0
// System calls and portals: what entering the kernel costs, and what a message to another domain and back does.
#include "bench/micro/benchmark.hpp"
#include "bench/micro/serial_line.hpp"
#include "runtime/message.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {
namespace {

using runtime::invoke;
using runtime::Message;
using test::Child;
using test::Handler;

constexpr uint64_t word_counts[] = {0, 4, 8, 9, 16, 64, 128, 256, abi::max_buffer_words};
constexpr uint64_t item_counts[] = {1, 2, 4, 8};
constexpr uint64_t chain_lengths[] = {1, 2, 3, 4, 5, 6, 7, 8};

runtime::ShortAnswer echo(uint64_t /*badge*/, uint32_t label, const runtime::Words& words) { return {label, words}; }

/// Replies with as many words of its message buffer as the call came with.
void echo_buffer(uint64_t /*badge*/, runtime::Request& request) {
    request.reply(request.label()).reply_buffer_words(request.buffer_words());
}

void null_call(Run& run) {
    run.loop([] { static_cast<void>(invoke(abi::Null{})); });
}

/// Calls with `words` words: up to four by the short stub, more in all nine registers, what is left in the buffer.
void call_with_words(Run& run, abi::Selector portal, uint64_t words) {
    if (words <= 4) return run.loop([=] { static_cast<void>(runtime::call(portal, 0, 1, 2, 3, 4)); });
    const auto buffer_words = static_cast<uint16_t>(words > abi::register_words ? words - abi::register_words : 0);
    run.loop([=] {
        Message message{0};
        message.with_buffer_words(buffer_words);
        static_cast<void>(message.call(portal));
    });
}

/// The words of `word_counts` but the last count as the buffer's, whose capacity it is.
uint64_t words_of(const Run& run) {
    return run.argument() == abi::max_buffer_words ? abi::max_buffer_words + abi::register_words : run.argument();
}

void check(Run& run, abi::Selector portal) {
    const auto reply = runtime::call(portal, 5, 1, 2, 3, 4);
    if (reply.status != abi::Status::Ok) return run.fail("call", reply.status);
    if (reply.label != 5 || reply.words[3] != 4) run.fail("the reply is not the call");
}

void call_in_one_domain(Run& run) {
    Handler handler = BENCH_NEEDED(Handler::create(runtime::short_handler<echo>));
    check(run, handler.portal.selector());
    call_with_words(run, handler.portal.selector(), words_of(run));
    handler.destroy();
}

void call_across_domains(Run& run) {
    Child child = BENCH_NEEDED(Child::create());
    runtime::Portal portal = BENCH_NEEDED(child.create_portal(runtime::short_handler<echo>));
    check(run, portal.selector());
    call_with_words(run, portal.selector(), words_of(run));
    child.destroy();
    portal.forget();
}

void call_across_domains_both_ways(Run& run) {
    Child child = BENCH_NEEDED(Child::create());
    runtime::Portal portal = BENCH_NEEDED(child.create_portal(runtime::message_handler<echo_buffer>));
    call_with_words(run, portal.selector(), words_of(run));
    child.destroy();
    portal.forget();
}

constexpr abi::Selector server_slot = 70;
constexpr abi::Selector done_slot = 71;

/// What the calling domain and the benchmark see.
struct Caller {
    uint64_t iterations;
    uint64_t ticks;

    static void run(void* argument) {
        auto& caller = *static_cast<Caller*>(argument);
        Run inner{0, caller.iterations};
        inner.loop([] { static_cast<void>(runtime::call(server_slot, 0, 1, 2, 3, 4)); });
        caller.ticks = inner.ticks();
        static_cast<void>(runtime::Notification{done_slot}.signal(1));
        for (;;) static_cast<void>(runtime::Notification{done_slot}.wait(2));
    }
};

/// A caller that is a driver: its domain has I/O ports.
void call_from_domain_with_ports(Run& run) {
    Child server = BENCH_NEEDED(Child::create());
    runtime::Portal portal = BENCH_NEEDED(server.create_portal(runtime::short_handler<echo>));
    Child driver = BENCH_NEEDED(Child::create());
    runtime::Ports ports = BENCH_NEEDED(give_com1_ports(driver));
    runtime::Notification done = BENCH_NEEDED(runtime::Notification::create());
    BENCH_OK(driver.give(portal.selector(), server_slot));
    BENCH_OK(driver.give(done.selector(), done_slot));
    auto& caller = driver.shared<Caller>();
    caller = {run.iterations(), 0};
    BENCH_NEEDED(driver.start(Caller::run, &caller, test::test_priority)).forget();
    static_cast<void>(done.wait(1));
    run.add(caller.ticks);
    driver.destroy();
    server.destroy();
    portal.forget();
    static_cast<void>(ports.destroy());
    static_cast<void>(done.destroy());
}

/// Where the next capabilities go: each call finds empty slots, so that taking them out again is not counted.
struct Receiver {
    abi::Selector next = 0;
    uint32_t count = 0;

    static void handle(uint64_t badge, runtime::Request& /*request*/) {
        auto& receiver = *reinterpret_cast<Receiver*>(badge);
        receiver.next += receiver.count;
        runtime::message_buffer().receive_window = receiver.next;
    }
};

void call_with_capabilities(Run& run) {
    const auto count = static_cast<uint32_t>(run.argument());
    const auto slots = static_cast<uint32_t>((run.iterations() + 4) * count);
    Receiver receiver{BENCH_NEEDED(runtime::allocate_slots(slots)), count};
    const abi::Selector first = receiver.next;
    Handler handler = BENCH_NEEDED(
        Handler::create(runtime::message_handler<Receiver::handle>, reinterpret_cast<uint64_t>(&receiver)));
    abi::MessageBuffer& window = *handler.thread.block().message_buffer;
    window.receive_window = first;
    window.receive_window_slots = count;
    for (uint32_t i = 0; i < count; ++i) {
        runtime::message_buffer().items[i] = {handler.portal.selector(), abi::PortalRight::Call, 0};
    }
    abi::Status status = abi::Status::Ok;
    run.loop([&] {
        Message message{0};
        message.with_items(static_cast<uint8_t>(count));
        const auto result = message.call(handler.portal.selector());
        if (!result.ok()) status = result.error();
    });
    if (status != abi::Status::Ok) run.fail("call with capabilities", status);
    for (uint32_t i = 0; i < slots; ++i) static_cast<void>(invoke(abi::RemoveCapability{runtime::self, first + i}));
    runtime::release_slots(first, slots);
    handler.destroy();
}

constexpr abi::Selector next_server_slot = 70;

/// One server of a chain: calls the next, if there is one (the badge is its portal).
runtime::ShortAnswer forward(uint64_t badge, uint32_t label, const runtime::Words& words) {
    if (badge == 0) return {label, words};
    const auto reply =
        runtime::call(static_cast<abi::Selector>(badge), label, words[0], words[1], words[2], words[3]);
    return {reply.label, reply.words};
}

void call_through_chain(Run& run) {
    const auto length = static_cast<unsigned>(run.argument());
    Child children[8];
    runtime::Portal portals[8];
    for (unsigned i = 0; i < length; ++i) {
        children[i] = BENCH_NEEDED(Child::create());
        const bool last = i + 1 == length;
        portals[i] = BENCH_NEEDED(
            children[i].create_portal(runtime::short_handler<forward>, last ? 0 : uint64_t{next_server_slot}));
        if (i > 0) BENCH_OK(children[i - 1].give(portals[i].selector(), next_server_slot));
    }
    check(run, portals[0].selector());
    call_with_words(run, portals[0].selector(), 4);
    for (unsigned i = 0; i < length; ++i) {
        children[i].destroy();
        portals[i].forget();
    }
}

/// A handler that is interrupted inside its first call by a thread of higher priority, which calls it too.
struct BusyHandler {
    runtime::Notification wake;
    runtime::Notification done;
    abi::Selector portal = abi::null_selector;
    Run* run = nullptr;

    static constexpr uint32_t occupy = 1;

    static runtime::ShortAnswer handle(uint64_t badge, uint32_t label, const runtime::Words& words) {
        if (label == occupy) static_cast<void>(reinterpret_cast<BusyHandler*>(badge)->wake.signal(1));
        return {label, words};
    }
    static void interrupt(void* argument) {
        auto& busy = *static_cast<BusyHandler*>(argument);
        for (uint64_t i = 0; i < busy.run->iterations(); ++i) {
            static_cast<void>(busy.wake.wait());
            const uint64_t start = now_ticks();
            static_cast<void>(runtime::call(busy.portal, 0, 1, 2, 3, 4));
            busy.run->add_between(start, now_ticks());
        }
        static_cast<void>(busy.done.signal(1));
        runtime::stop_this_thread();
    }
};

void call_to_busy_handler(Run& run) {
    BusyHandler busy{BENCH_NEEDED(runtime::Notification::create()), BENCH_NEEDED(runtime::Notification::create()),
                     abi::null_selector, &run};
    Handler handler = BENCH_NEEDED(
        Handler::create(runtime::short_handler<BusyHandler::handle>, reinterpret_cast<uint64_t>(&busy)));
    busy.portal = handler.portal.selector();
    auto thread = BENCH_NEEDED(test::start_thread(BusyHandler::interrupt, &busy, test::high_priority));
    for (uint64_t i = 0; i < run.iterations(); ++i) {
        static_cast<void>(runtime::call(busy.portal, BusyHandler::occupy));
    }
    static_cast<void>(busy.done.wait());
    thread.destroy();
    handler.destroy();
    static_cast<void>(busy.wake.destroy());
    static_cast<void>(busy.done.destroy());
}

constexpr Benchmark table[] = {
    {"null_call", nullptr, no_sweep, 200, guard_all, "a system call that does nothing, stub included", null_call},
    {"call/one_domain", "words", word_counts, 100, guard_all,
     "call and reply, handler in the same domain, stubs of both sides included; the words go to the handler, four come "
     "back. Up to 4 words by the short stub, up to 9 in registers, the rest in the message buffer",
     call_in_one_domain},
    {"call/two_domains", "words", word_counts, 100, guard_all, "the same with the handler in another domain",
     call_across_domains},
    {"call/two_domains_echo", "words", word_counts, 100, guard_none,
     "the same with all words coming back, by the handler's stub for whole messages", call_across_domains_both_ways},
    {"call/from_domain_with_ports", nullptr, no_sweep, 100, guard_all,
     "4 words, from a domain that has I/O ports: the permission bitmap of the TSS is switched",
     call_from_domain_with_ports},
    {"call/capabilities", "items", item_counts, 50, guard_all,
     "call with capabilities, in one domain, the handler sets its receive window", call_with_capabilities},
    {"call/chain", "servers", chain_lengths, 50, guard_all,
     "call of 4 words through so many servers, each in its own domain, and back", call_through_chain},
    {"call/busy_handler", nullptr, no_sweep, 50, guard_all,
     "call to a handler that is inside another call: helps it to its reply, then is served", call_to_busy_handler},
};

}  // namespace

const std::span<const Benchmark> call_benchmarks{table};

}  // namespace bulkhead::bench
