// SPDX-License-Identifier: Apache-2.0
// What the hot paths cost, in instructions: runs where the time-stamp counter counts them (qemu -icount, Bochs). Each
// figure is printed and has a limit; the counts are exact, so growth is a failure and not noise.
#include "guests/minimal/images.hpp"
#include "runtime/log.hpp"
#include "runtime/message.hpp"
#include "tests/system/framework/guest.hpp"

MINIMAL_GUEST(cost)

namespace bulkhead::test {
namespace {

constexpr uint64_t rounds = 1000;

/// Instructions per round of a loop, loop included, as the best of several tries.
template <typename Function>
uint64_t cost_of(Function function) {
    uint64_t best = ~uint64_t{0};
    for (int attempt = 0; attempt < 5; ++attempt) {
        const uint64_t start = runtime::now_ticks();
        for (uint64_t i = 0; i < rounds; ++i) function();
        const uint64_t ticks = runtime::now_ticks() - start;
        best = ticks < best ? ticks : best;
    }
    return best / rounds;
}

/// Prints a figure for the runner and checks it.
void figure(const char* name, uint64_t instructions, uint64_t limit) {
    char line[160];
    runtime::write_kernel_log(
        runtime::format_into(line, "figure {}: {} instructions (limit {})\n", name, instructions, limit));
    EXPECT(instructions <= limit);
}

runtime::ShortAnswer echo(uint64_t, uint32_t label, const runtime::Words& words) { return {label, words}; }

/// CPUID is answered at once; the machine's own answer serves the rest.
void answer_cpuid(uint64_t badge, runtime::Request& request) {
    if (abi::ExitLabel::Reason::read(request.label()) != abi::ExitReason::Cpuid) return Machine::handle_exit(badge, request);
    request.words = {request.words[0], 1, 2, 3, 4};
    request.reply(static_cast<uint32_t>(abi::ReplyFlag::SkipInstruction));
}

}  // namespace

SYSTEM_TEST(null_call) {
    figure("null call", cost_of([] { static_cast<void>(invoke(abi::Null{})); }), 250);
}

SYSTEM_TEST(call_and_reply_in_one_domain) {
    Handler handler = NEEDED(Handler::create(runtime::short_handler<echo>));
    const Selector portal = handler.portal.selector();
    EXPECT_EQ(runtime::call(portal, 5, 1, 2, 3, 4).words[3], 4u);
    figure("call and reply, one domain, 4 words", cost_of([&] { static_cast<void>(runtime::call(portal, 0, 1, 2, 3, 4)); }),
           160);
    handler.destroy();
}

SYSTEM_TEST(call_and_reply_across_domains) {
    Child child = NEEDED(Child::create());
    runtime::Portal portal = NEEDED(child.create_portal(runtime::short_handler<echo>));
    EXPECT_EQ(runtime::call(portal.selector(), 5, 1, 2, 3, 4).words[3], 4u);
    figure("call and reply, two domains, 4 words",
           cost_of([&] { static_cast<void>(runtime::call(portal.selector(), 0, 1, 2, 3, 4)); }), 160);
    child.destroy();
    portal.forget();
}

SYSTEM_TEST(cpuid_exit_to_the_monitor) {
    if (!has_virtualization()) SKIP("no virtualization on this processor");
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::cost()}));
    EXPECT_OK(machine.bind_handler(machine.vcpus[0], runtime::message_handler<answer_cpuid>));
    EXPECT(machine.run());
    REQUIRE(machine.reports.size() == 1);
    figure("CPUID exit to the monitor and back", machine.reports[0], 300);
}

}  // namespace bulkhead::test
