// SPDX-License-Identifier: Apache-2.0
// For counters one level below: N and 2 N rounds of a call between domains, and of exits of the loop guest, with marks
// and pauses around. The difference of what happened below in the two is what N rounds cause. N is the word
// `rounds=N` of the boot command line.
#include "bench/nested/loops.hpp"

#include "guests/minimal/images.hpp"
#include "runtime/log.hpp"
#include "runtime/message.hpp"
#include "tests/system/framework/guest.hpp"

MINIMAL_GUEST(loops)

namespace bulkhead::test {
namespace {

using bench::LoopOperation;
using bench::LoopOrders;
using bench::LoopPlace;
using bench::LoopResults;

constexpr uint64_t default_rounds = 200;
constexpr uint64_t pause_ns = 300 * ns_per_ms;

/// The one who counts needs a pause in which nothing happens.
void mark(std::string_view name, uint64_t rounds, std::string_view what) {
    char line[96];
    runtime::write_kernel_log(runtime::format_into(line, "@phase {} {} {}\n", name, rounds, what));
    runtime::sleep_for(pause_ns);
}

uint64_t asked_rounds() {
    const std::string_view line{root().command_line};
    constexpr std::string_view word = "rounds=";
    const size_t place = line.find(word);
    uint64_t rounds = 0;
    for (size_t i = place + word.size(); place != line.npos && i < line.size() && line[i] >= '0' && line[i] <= '9'; ++i) {
        rounds = rounds * 10 + static_cast<uint64_t>(line[i] - '0');
    }
    return rounds == 0 || rounds > 1'000'000 ? default_rounds : rounds;
}

template <typename Function>
void phases(std::string_view name, uint64_t rounds, Function round) {
    for (int i = 0; i < 10; ++i) round();
    for (const uint64_t count : {rounds, 2 * rounds}) {
        mark(name, count, "begins");
        for (uint64_t i = 0; i < count; ++i) round();
        mark(name, count, "ends");
    }
}

runtime::ShortAnswer echo(uint64_t, uint32_t label, const runtime::Words& words) { return {label, words}; }

/// The loop guest asks for orders after each operation. Each operation is done for warm-up, then N and 2 N times.
struct Order {
    std::string_view name;
    LoopOperation operation;
    uint64_t factor;  ///< of N; 0: warm-up
};
constexpr Order orders[] = {
    {"cpuid", LoopOperation::Cpuid, 0},    {"cpuid", LoopOperation::Cpuid, 1},    {"cpuid", LoopOperation::Cpuid, 2},
    {"port", LoopOperation::PortWrite, 0}, {"port", LoopOperation::PortWrite, 1}, {"port", LoopOperation::PortWrite, 2},
    {"mmio", LoopOperation::MmioWrite, 0}, {"mmio", LoopOperation::MmioWrite, 1}, {"mmio", LoopOperation::MmioWrite, 2},
    {"doorbell", LoopOperation::PortDoorbell, 0}, {"doorbell", LoopOperation::PortDoorbell, 1},
    {"doorbell", LoopOperation::PortDoorbell, 2},
};
/// Of the guest's MOV to an absolute address: this monitor knows the one instruction it meets and decodes nothing.
constexpr uint64_t mmio_instruction_bytes = 7;

uint64_t rounds_of(const Order& order) { return order.factor == 0 ? 10 : order.factor * asked_rounds(); }

void give_order(const Machine& machine, const Order& order) {
    machine.ram_at<LoopOrders>(LoopOrders::address) = {static_cast<uint32_t>(order.operation),
                                                       static_cast<uint32_t>(rounds_of(order))};
    if (order.factor != 0) mark(order.name, rounds_of(order), "begins");
}

void end_order(const Machine& machine, const Order& done) {
    if (done.factor == 0) return;
    mark(done.name, rounds_of(done), "ends");
    char line[96];
    runtime::write_kernel_log(runtime::format_into(line, "@figure {} exit: least {} rounds {}\n", done.name,
                                                   machine.ram_at<LoopResults>(LoopResults::address).least_ticks,
                                                   rounds_of(done)));
}

/// Ports of the loop guest; user[0] is the order under way.
bool loop_device(MachineVcpu& vcpu, Exit& exit) {
    Machine& machine = *vcpu.machine;
    if (exit.reason() == abi::ExitReason::NestedFault && exit.argument(0) == LoopPlace::test_mmio) {
        vcpu.state().rip += mmio_instruction_bytes;
        exit.changed(static_cast<uint32_t>(abi::VcpuStateGroup::InstructionPointer));
        return true;
    }
    if (exit.reason() != abi::ExitReason::PortWrite) return false;
    const uint16_t port = abi::PortAccess::Port::read(exit.argument(0));
    if (port == LoopPlace::test_port) {
        exit.skip();
        return true;
    }
    if (port != LoopPlace::finish_port) return false;
    end_order(machine, orders[machine.user[0]]);
    if (++machine.user[0] == std::size(orders)) {
        machine.finish(exit, 0);
    } else {
        give_order(machine, orders[machine.user[0]]);
        exit.skip();
    }
    return true;
}

}  // namespace

SYSTEM_TEST(call_and_reply_across_domains) {
    Child child = NEEDED(Child::create());
    runtime::Portal portal = NEEDED(child.create_portal(runtime::short_handler<echo>));
    EXPECT_EQ(runtime::call(portal.selector(), 5, 1, 2, 3, 4).words[3], 4u);
    // A call is to cause nothing below; many of them, so that what a pause causes more or less does not show.
    phases("call", 100 * asked_rounds(), [&] { static_cast<void>(runtime::call(portal.selector(), 0, 1, 2, 3, 4)); });
    child.destroy();
    portal.forget();
}

SYSTEM_TEST(exits_of_the_loop_guest) {
    if (!has_virtualization()) SKIP("no virtualization on this processor");
    Machine machine;
    REQUIRE(machine.create({.image = minimal_guest::loops(), .device = loop_device}).ok());
    auto doorbell = NEEDED(runtime::Doorbell::create(machine.guest.selector(), LoopPlace::doorbell_port, 1));
    Notification rung = NEEDED(Notification::create());
    EXPECT_OK(doorbell.bind(rung.selector(), 1));
    mark("none", 0, "begins");  // who counts reads its counters for the first time, which takes longer
    give_order(machine, orders[0]);
    EXPECT(machine.run(runtime::deadline_in(600'000 * ns_per_ms)));
    EXPECT_EQ(machine.user[0], std::size(orders));
    EXPECT_EQ(rung.poll(), 1u);
    doorbell.forget();
    EXPECT_OK(rung.destroy());
}

}  // namespace bulkhead::test
