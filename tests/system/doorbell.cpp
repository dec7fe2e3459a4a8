// SPDX-License-Identifier: Apache-2.0
// Doorbells: which writes of a guest ring, who hears it, and what is left of it when one side dies.
#include <atomic>
#include <iterator>
#include <utility>

#include "guests/minimal/images.hpp"
#include "tests/system/framework/guest.hpp"

MINIMAL_GUEST(doorbell)
MINIMAL_GUEST(doorbell_loop)
MINIMAL_GUEST(doorbell_many)

namespace bulkhead::test {
namespace {

using abi::ExitReason;
using runtime::Doorbell;

constexpr uint16_t loop_port = 0x80;
constexpr uint16_t report_port = 0xe0;
constexpr uint64_t results = Machine::results_address;

bool is_port_exit(const Exit& exit) {
    return exit.reason() == ExitReason::PortRead || exit.reason() == ExitReason::PortWrite;
}
uint16_t port_of(const Exit& exit) { return abi::PortAccess::Port::read(exit.argument(0)); }
uint64_t rings(const MachineVcpu& vcpu) {
    return vcpu.state().absorbed_exits[static_cast<size_t>(ExitReason::PortWrite)];
}

/// The guest that rings in a loop, and what it has in memory.
struct Ringer {
    Machine machine;
    Doorbell doorbell;

    static constexpr uint64_t second = 64;  ///< offset of the second vCPU's words
    volatile uint64_t& count(uint64_t offset = 0) const { return machine.ram_at<volatile uint64_t>(results + offset); }
    void stop() const { machine.ram_at<volatile uint32_t>(results + 8) = 1; }
    /// The guest waits after each ring until somebody has seen it.
    void wait_for_acknowledgements() const { machine.ram_at<volatile uint32_t>(results + 16) = 1; }
    void acknowledge() const {
        auto& seen = machine.ram_at<std::atomic<uint64_t>>(results + 24);
        uint64_t before = seen;
        const uint64_t now = count();
        while (before < now && !seen.compare_exchange_weak(before, now)) {
        }
    }

    abi::Result<void> create(Device device = nullptr, unsigned vcpus = 1) {
        TRY(machine.create({.image = minimal_guest::doorbell_loop(), .device = device, .vcpus = vcpus}));
        doorbell = TRY(Doorbell::create(machine.guest.selector(), loop_port, 1));
        return {};
    }
    /// Lets it run until it has counted this much more.
    bool run_on(uint64_t rounds) {
        const uint64_t wanted = count() + rounds;
        EXPECT(!machine.run(shortly()));
        return eventually([&] { return count() >= wanted; });
    }
    bool finish() {
        stop();
        return machine.run() && machine.status == 0;
    }
    ~Ringer() {
        machine.destroy();
        doorbell.forget();
    }
};

/// What came to the monitor and what was signalled between two reports of the guest.
struct Step {
    uint32_t report;
    uint32_t accesses;
    uint64_t bits;
    bool operator==(const Step&) const = default;
};
StaticVector<Step, 32> steps;
uint32_t accesses;
Notification heard;

bool record_steps(MachineVcpu& vcpu, Exit& exit) {
    if (!is_port_exit(exit)) return false;
    if (port_of(exit) == report_port) {
        const auto report = static_cast<uint32_t>(exit.argument(1));
        static_cast<void>(steps.push_back({report, accesses, heard.poll()}));
        accesses = 0;
        if (report == 0x30) EXPECT_OK(vcpu.vcpu.post(0x40));
        return false;
    }
    if (port_of(exit) == 0xf4) return false;
    ++accesses;
    exit.skip();
    return true;
}

void expect_steps(std::initializer_list<Step> wanted) {
    EXPECT_EQ(steps.size(), wanted.size());
    for (unsigned i = 0; i < steps.size() && i < wanted.size(); ++i) {
        const Step& is = steps[i];
        const Step& step = wanted.begin()[i];
        char why[120];
        if (!(is == step))
            record_failure(__FILE__, __LINE__,
                           runtime::format_into(why, "step {}: report {x}, {} accesses, bits {x}; not {x}, {}, {x}", i, is.report,
                                                is.accesses, is.bits, step.report, step.accesses, step.bits));
    }
}

/// The guest that tries everything; `stepped`: with TF, which the hand-laid path leaves to the general one.
void try_everything(bool stepped) {
    steps.clear();
    accesses = 0;
    heard = NEEDED(Notification::create());
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::doorbell(), .device = record_steps}));
    const Selector guest = machine.guest.selector();
    Doorbell bells[] = {NEEDED(Doorbell::create(guest, 0x80, 1)), NEEDED(Doorbell::create(guest, 0x310, 2)),
                        NEEDED(Doorbell::create(guest, 0x320, 4))};
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(NEEDED(bells[i].bind(heard.selector(), 1u << i)), 0u);
    machine.ram_at<uint32_t>(results + 0x100) = stepped;
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    constexpr Step table[] = {{1, 0, 1},  {2, 0, 1},  {3, 1, 0},  {4, 0, 2},  {5, 1, 0},  {6, 1, 0},
                              {7, 1, 0},  {8, 1, 0},  {9, 1, 0},  {10, 0, 4}, {11, 1, 0}, {12, 1, 0},
                              {13, 1, 0}, {14, 1, 0}, {15, 1, 0}, {0x20, 0, 1}};
    const auto& t = table;
    if (stepped) {
        expect_steps({t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15]});
    } else {
        expect_steps({t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15],
                      {0x30, 0, 0}, {0x40, 0, 1}, {0x31, 0, 0}, {0x66, 0, 1}, {0x41, 0, 0}});
    }
    EXPECT_EQ(rings(machine.vcpus[0]), stepped ? 5u : 7u);
    EXPECT_EQ(machine.vcpus[0].state().missed_doorbells, 0u);
    EXPECT_EQ(machine.ram_at<uint8_t>(results), 1u);
    constexpr uint32_t registers[] = {0x1000001, 0x2000002, 0x3000003, 0x80,      0x5000005, 0x6000006, 0x7000007, 0,
                                      0x9000009, 0xa00000a, 0xb00000b, 0xc00000c, 0xd00000d, 0xe00000e};
    for (unsigned i = 0; i < std::size(registers); ++i)
        EXPECT_EQ(machine.ram_at<uint32_t>(results + 8 + 4 * i), registers[i]);
    EXPECT_EQ(machine.ram_at<uint64_t>(results + 64), 0xf000'00f0'0000'000fu);
    machine.destroy();
    for (Doorbell& bell : bells) bell.forget();
    EXPECT_OK(heard.destroy());
}

}  // namespace

SYSTEM_TEST(only_the_exact_write_rings) {
    NEEDS_VIRTUALIZATION();
    try_everything(false);
}

SYSTEM_TEST(the_general_path_does_the_same) {
    NEEDS_VIRTUALIZATION();
    try_everything(true);
}

SYSTEM_TEST(arguments_are_checked) {
    NEEDS_VIRTUALIZATION();
    runtime::Domain guest = NEEDED(runtime::Domain::create_guest(40));
    const auto make = [&](uint16_t port, uint8_t size) {
        auto made = Doorbell::create(guest.selector(), port, size);
        if (made.ok()) EXPECT_OK(made.value().destroy());
        return status_of(made);
    };
    for (const unsigned size : {0u, 3u, 5u, 8u, 255u}) EXPECT(make(0x100, static_cast<uint8_t>(size)) == Status::BadArgument);
    EXPECT(make(0xffff, 2) == Status::BadArgument);
    EXPECT(make(0xfffd, 4) == Status::BadArgument);
    EXPECT(make(0xffff, 1) == Status::Ok);
    EXPECT(make(0xfffc, 4) == Status::Ok);
    EXPECT(make(0, 1) == Status::Ok);
    Doorbell first = NEEDED(Doorbell::create(guest.selector(), 0x102, 2));
    for (const auto& [port, size] : {std::pair{0x102, 2}, {0x102, 1}, {0x103, 1}, {0x103, 4}, {0x101, 2}, {0xff, 4}, {0x100, 4}})
        EXPECT(make(static_cast<uint16_t>(port), static_cast<uint8_t>(size)) == Status::Overlap);
    for (const auto& [port, size] : {std::pair{0x104, 4}, {0x100, 2}, {0x101, 1}, {0xfe, 4}})
        EXPECT(make(static_cast<uint16_t>(port), static_cast<uint8_t>(size)) == Status::Ok);
    EXPECT_STATUS(Doorbell::create(self, 0x200, 1), Status::WrongType);
    const Selector mapping_only = NEEDED(guest.restricted(abi::DomainRight::Map));
    EXPECT_STATUS(Doorbell::create(mapping_only, 0x200, 1), Status::MissingRight);

    Notification n = NEEDED(Notification::create());
    const Selector waiting_only = NEEDED(n.restricted(abi::NotificationRight::Wait));
    EXPECT_STATUS(first.bind(waiting_only, 1), Status::MissingRight);
    EXPECT_STATUS(first.bind(guest.selector(), 1), Status::WrongType);
    EXPECT_STATUS(Doorbell{n.selector()}.bind(n.selector(), 1), Status::WrongType);
    const Selector powerless = NEEDED(first.restricted(abi::Right::Destroy));
    EXPECT_STATUS(Doorbell{powerless}.bind(n.selector(), 1), Status::MissingRight);
    EXPECT_EQ(NEEDED(first.bind(n.selector(), 1)), 0u);
    EXPECT_EQ(NEEDED(first.bind(abi::null_selector, ~uint64_t{0})), 0u);
    EXPECT_OK(first.destroy());
    EXPECT_STATUS(Doorbell{powerless}.bind(n.selector(), 1), Status::BadCapability);
    EXPECT_OK(guest.destroy());
    EXPECT_OK(n.destroy());
    for (const Selector selector : {mapping_only, waiting_only, powerless}) runtime::Capability{selector}.forget();
}

namespace {

constexpr uint16_t first_of_many = 0x1000;
Doorbell many[64];

/// Between the two rounds of the guest every other doorbell goes.
bool thin_out(MachineVcpu& vcpu, Exit& exit) {
    if (!is_port_exit(exit)) return false;
    if (port_of(exit) == report_port) {
        EXPECT_EQ(heard.poll(), ~uint64_t{0});
        for (unsigned i = 1; i < std::size(many); i += 2) EXPECT_OK(many[i].destroy());
    }
    if (port_of(exit) < first_of_many) return false;
    vcpu.machine->user[0] |= uint64_t{1} << (port_of(exit) - first_of_many);
    exit.skip();
    return true;
}

}  // namespace

SYSTEM_TEST(as_many_as_there_may_be) {
    NEEDS_VIRTUALIZATION();
    constexpr uint64_t odd = 0xaaaa'aaaa'aaaa'aaaa;
    heard = NEEDED(Notification::create());
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::doorbell_many(), .device = thin_out}));
    for (unsigned i = 0; i < std::size(many); ++i) {
        many[i] = NEEDED(Doorbell::create(machine.guest.selector(), static_cast<uint16_t>(first_of_many + i), 1));
        EXPECT_EQ(NEEDED(many[i].bind(heard.selector(), uint64_t{1} << i)), 0u);
    }
    EXPECT_STATUS(Doorbell::create(machine.guest.selector(), 0x2000, 1), Status::Busy);
    EXPECT(machine.run());
    EXPECT_EQ(heard.poll(), ~odd);
    EXPECT_EQ(machine.user[0], odd);
    EXPECT_EQ(rings(machine.vcpus[0]), std::size(many) + std::size(many) / 2);
    machine.destroy();
    for (Doorbell& bell : many) bell.forget();
    EXPECT_OK(heard.destroy());
}

SYSTEM_TEST(rings_that_nobody_hears_are_counted) {
    NEEDS_VIRTUALIZATION();
    Ringer ringer;
    EXPECT_OK(ringer.create());
    EXPECT(ringer.run_on(50));
    // A backend comes, and is told; then it dies while the guest rings on, and another one comes.
    Notification n = NEEDED(Notification::create());
    EXPECT(NEEDED(ringer.doorbell.bind(n.selector(), 4)) >= 50);
    EXPECT_EQ(NEEDED(n.wait(~uint64_t{0}, soon())), 4u);
    EXPECT_OK(n.destroy());
    EXPECT(ringer.run_on(50));
    Notification successor = NEEDED(Notification::create());
    const uint64_t missed = NEEDED(ringer.doorbell.bind(successor.selector(), 8));
    EXPECT(missed >= 49);
    EXPECT_EQ(NEEDED(successor.wait(~uint64_t{0}, soon())), 8u);
    EXPECT(ringer.finish());
    EXPECT_EQ(NEEDED(ringer.doorbell.bind(abi::null_selector, 0)), 0u);
    const MachineVcpu& vcpu = ringer.machine.vcpus[0];
    EXPECT_EQ(rings(vcpu), ringer.count());
    EXPECT(vcpu.state().missed_doorbells >= 99);
    EXPECT(vcpu.state().missed_doorbells < rings(vcpu));
    EXPECT_OK(successor.destroy());
}

SYSTEM_TEST(a_derived_notification_passes_its_bits) {
    NEEDS_VIRTUALIZATION();
    Ringer ringer;
    EXPECT_OK(ringer.create());
    Notification n = NEEDED(Notification::create());
    Notification derived = NEEDED(n.derive(0x30));
    EXPECT_EQ(NEEDED(ringer.doorbell.bind(derived.selector(), 0xff00'0000'0000'00fcu)), 0u);
    EXPECT(ringer.run_on(10));
    EXPECT_EQ(n.poll(), 0x30u);
    // Destroyed on its own: nothing comes any more.
    EXPECT_OK(derived.destroy());
    static_cast<void>(n.poll());
    EXPECT(ringer.run_on(10));
    EXPECT_EQ(n.poll(), 0u);
    EXPECT(ringer.finish());
    EXPECT(NEEDED(ringer.doorbell.bind(n.selector(), 1)) >= 10);
    EXPECT_OK(n.destroy());
}

namespace {

/// A thread that waits for a doorbell.
struct Listener {
    Ringer ringer;
    Notification n;
    runtime::Thread thread;
    std::atomic<uint64_t> woken{0};
    std::atomic<uint64_t> out_of_step{0};  ///< woken when the guest had gone on already
    uint64_t rounds = ~uint64_t{0};        ///< after which it stops the guest

    static void listen(void* argument) {
        auto& listener = *static_cast<Listener*>(argument);
        while (listener.n.wait(1).ok()) {
            const uint64_t number = ++listener.woken;
            if (listener.ringer.count() != number) ++listener.out_of_step;
            if (number == listener.rounds) listener.ringer.stop();
            listener.ringer.acknowledge();
        }
        runtime::stop_this_thread();
    }
    abi::Result<void> create(uint8_t priority, uint32_t cpu = 0) {
        TRY(ringer.create());
        n = TRY(Notification::create());
        TRY(ringer.doorbell.bind(n.selector(), 1));
        thread = TRY(start_thread(listen, this, priority, cpu));
        return {};
    }
    void destroy() {
        EXPECT_OK(n.destroy());
        thread.destroy();
    }
};

}  // namespace

SYSTEM_TEST(a_more_urgent_waiter_preempts_the_guest) {
    NEEDS_VIRTUALIZATION();
    Listener listener;
    listener.rounds = 200;
    EXPECT_OK(listener.create(high_priority));
    EXPECT(listener.ringer.machine.run());
    EXPECT_EQ(listener.woken.load(), 200u);
    EXPECT_EQ(listener.ringer.count(), 200u);
    EXPECT_EQ(listener.out_of_step.load(), 0u);
    listener.destroy();
}

SYSTEM_TEST(a_less_urgent_waiter_runs_when_the_guest_does_not) {
    NEEDS_VIRTUALIZATION();
    Listener listener;
    EXPECT_OK(listener.create(low_priority));
    runtime::sleep_for(ns_per_ms);  // it waits by then
    EXPECT(listener.ringer.run_on(100));
    EXPECT_EQ(listener.woken.load(), 0u);
    EXPECT(listener.ringer.finish());
    EXPECT(eventually([&] { return listener.woken != 0; }));
    listener.destroy();
}

SYSTEM_TEST(a_waiter_on_another_cpu) {
    NEEDS_VIRTUALIZATION();
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    Listener listener;
    listener.rounds = 100;
    EXPECT_OK(listener.create(low_priority, 1));
    listener.ringer.wait_for_acknowledgements();
    EXPECT(listener.ringer.machine.run());
    EXPECT_EQ(listener.woken.load(), 100u);
    EXPECT_EQ(listener.ringer.count(), 100u);
    listener.destroy();
}

/// Each ring is signalled or counted, whatever happens at the same time: else the guest would wait for ever.
SYSTEM_TEST(no_ring_is_lost_between_two_bindings) {
    NEEDS_VIRTUALIZATION();
    Listener listener;
    EXPECT_OK(listener.create(high_priority, root().cpu_count - 1));
    listener.ringer.wait_for_acknowledgements();
    EXPECT(!listener.ringer.machine.run(shortly()));
    const auto bind = [&](Selector notification) {
        const uint64_t missed = NEEDED(listener.ringer.doorbell.bind(notification, 1));
        if (missed != 0) listener.ringer.acknowledge();
    };
    for (unsigned i = 0; i < 60 && !has_failed(); ++i) {
        bind(abi::null_selector);
        if (i % 4 == 0) runtime::sleep_for(20 * ns_per_us);
        bind(listener.n.selector());
        const uint64_t before = listener.ringer.count();
        EXPECT(eventually([&] { return listener.ringer.count() > before + i % 8; }));
    }
    EXPECT(listener.ringer.finish());
    listener.destroy();
}

namespace {

std::atomic<uint64_t> seen_by_monitor;

/// Starts the second vCPU too, and answers the port when there is no doorbell.
bool answer_loop_port(MachineVcpu& vcpu, Exit& exit) {
    if (exit.reason() == ExitReason::Startup && vcpu.index == 1) {
        vcpu.machine->set_start_state(vcpu.state(), StartMode::Long);
        vcpu.state().rip = 0x2000;
        vcpu.state().rsp = 0x8000;
        exit.changed(abi::all_vcpu_state_groups);
        return true;
    }
    if (!is_port_exit(exit) || port_of(exit) != loop_port) return false;
    ++seen_by_monitor;
    exit.skip();
    return true;
}

}  // namespace

SYSTEM_TEST(made_and_destroyed_under_the_guest) {
    NEEDS_VIRTUALIZATION();
    seen_by_monitor = 0;
    const unsigned vcpus = root().cpu_count < 2 ? 1 : 2;
    Ringer ringer;
    EXPECT_OK(ringer.create(answer_loop_port, vcpus));
    Notification n = NEEDED(Notification::create());
    EXPECT(!ringer.machine.run(shortly()));
    uint64_t missed = 0;
    for (unsigned i = 0; i < 50 && !has_failed(); ++i) {
        missed += NEEDED(ringer.doorbell.bind(n.selector(), 1));
        const uint64_t before = ringer.count();
        EXPECT(eventually([&] { return ringer.count() > before + 2; }));
        EXPECT_OK(ringer.doorbell.destroy());
        const uint64_t monitors = seen_by_monitor;
        EXPECT(eventually([&] { return seen_by_monitor > monitors + 1; }));
        ringer.doorbell = NEEDED(Doorbell::create(ringer.machine.guest.selector(), loop_port, 1));
    }
    missed += NEEDED(ringer.doorbell.bind(n.selector(), 1));
    EXPECT(ringer.finish());
    uint64_t counted = ringer.count(), rung = rings(ringer.machine.vcpus[0]);
    uint64_t missed_by_vcpus = ringer.machine.vcpus[0].state().missed_doorbells;
    if (vcpus == 2) {
        const MachineVcpu& second = ringer.machine.vcpus[1];
        EXPECT(eventually([&] { return second.last_reason == static_cast<uint32_t>(ExitReason::Hlt); }));
        counted += ringer.count(Ringer::second);
        rung += rings(second);
        missed_by_vcpus += second.state().missed_doorbells;
    }
    EXPECT_EQ(rung + seen_by_monitor, counted);
    EXPECT(missed >= missed_by_vcpus);
    EXPECT_OK(n.destroy());
}

SYSTEM_TEST(the_guest_domain_takes_its_doorbells_along) {
    NEEDS_VIRTUALIZATION();
    Notification n = NEEDED(Notification::create());
    uint64_t before = 0;
    for (unsigned i = 0; i < 10 && !has_failed(); ++i) {
        if (i == 1) before = NEEDED(runtime::Domain{self}.free_quota_pages());
        Ringer ringer;
        EXPECT_OK(ringer.create());
        EXPECT_EQ(NEEDED(ringer.doorbell.bind(n.selector(), 1)), 0u);
        EXPECT(ringer.run_on(20));
        EXPECT_OK(ringer.machine.guest.destroy());
        EXPECT_STATUS(ringer.doorbell.bind(n.selector(), 1), Status::BadCapability);
        static_cast<void>(n.poll());
        runtime::sleep_for(100 * ns_per_us);
        EXPECT_EQ(n.poll(), 0u);
    }
    EXPECT(NEEDED(runtime::Domain{self}.free_quota_pages()) + 2 >= before);
    EXPECT_OK(n.destroy());
}

/// The monitor dies, and rings go on; its successor finds the guest's next exit.
SYSTEM_TEST(the_monitor_is_not_needed) {
    NEEDS_VIRTUALIZATION();
    Ringer ringer;
    EXPECT_OK(ringer.create());
    Notification n = NEEDED(Notification::create());
    EXPECT_EQ(NEEDED(ringer.doorbell.bind(n.selector(), 1)), 0u);
    EXPECT(ringer.run_on(10));
    MachineVcpu& vcpu = ringer.machine.vcpus[0];
    vcpu.handler.destroy();
    static_cast<void>(n.poll());
    EXPECT(ringer.run_on(10));
    EXPECT_EQ(n.poll(), 1u);
    ringer.stop();
    runtime::sleep_for(ns_per_ms);
    EXPECT_OK(ringer.machine.bind_handler(vcpu, runtime::message_handler<Machine::handle_exit>));
    EXPECT(ringer.machine.run());
    EXPECT_EQ(ringer.machine.status, 0u);
    EXPECT_OK(n.destroy());
}

}  // namespace bulkhead::test
