// SPDX-License-Identifier: Apache-2.0
// Interrupts that are posted at any time, from another CPU if there is one: while the guest runs, on its way in, and on
// its way out. CPUs run in parallel where they can.
#include <atomic>

#include "guests/minimal/images.hpp"
#include "tests/system/framework/guest.hpp"

MINIMAL_GUEST(again)
MINIMAL_GUEST(interrupt_loop)

namespace bulkhead::test {
namespace {

/// Posts it again while its handler runs, from another CPU if there is one: the vCPU has not been looked at since.
void post_again(void* argument) {
    Machine& machine = *static_cast<Machine*>(argument);
    EXPECT(eventually([&] { return machine.ram_at<volatile uint32_t>(Machine::results_address) == 1; }));
    EXPECT_OK(machine.vcpus[0].vcpu.post(0x31));
    machine.ram_at<volatile uint32_t>(Machine::results_address + 8) = 1;
}

/// Posts at any point of the way into the guest and out of it.
struct Poster {
    static constexpr uint32_t rounds = 300;
    Machine& machine;
    std::atomic<bool> done{false};

    static void run(void* argument) {
        auto& self_ = *static_cast<Poster*>(argument);
        Machine& machine = self_.machine;
        const auto& taken = machine.ram_at<volatile uint32_t>(Machine::results_address);
        for (uint32_t i = 0; i < rounds && !has_failed(); ++i) {
            runtime::sleep_for((20 + i % 7) * ns_per_us);
            EXPECT_OK(machine.vcpus[0].vcpu.post(0x51));
            EXPECT(eventually([&] { return taken > i; }));
        }
        machine.ram_at<volatile uint32_t>(Machine::results_address + 8) = 1;
        self_.done = true;
    }
};

}  // namespace

SYSTEM_TEST(an_interrupt_that_comes_again_while_it_is_handled) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (is_report(exit, 1)) EXPECT_OK(vcpu.vcpu.post(0x31));
        return false;
    };
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::again(), .device = device}));
    runtime::Thread poster = NEEDED(start_thread(post_again, &machine, test_priority, root().cpu_count - 1));
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_REPORTS(machine, 1, 2);
    poster.destroy();
}

SYSTEM_TEST(interrupts_at_any_time) {
    NEEDS_VIRTUALIZATION();
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::interrupt_loop()}));
    Poster poster{machine};
    EXPECT(!machine.run(shortly()));
    runtime::Thread thread = NEEDED(start_thread(Poster::run, &poster, test_priority, root().cpu_count - 1));
    EXPECT(eventually([&] { return poster.done.load(); }));
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_EQ(machine.ram_at<uint32_t>(Machine::results_address), Poster::rounds);
    thread.destroy();
}

}  // namespace bulkhead::test
