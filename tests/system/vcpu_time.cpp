// SPDX-License-Identifier: Apache-2.0
// The two words of the state page that only the scheduler knows: time a vCPU was ready but did not run, and whether it
// is so now. Runs where time is counted in instructions.
#include <atomic>

#include "guests/minimal/images.hpp"
#include "tests/system/framework/guest.hpp"

MINIMAL_GUEST(spin)
MINIMAL_GUEST(hlt)

namespace bulkhead::test {
namespace {

using runtime::Thread;

void spin_until(void* argument) {
    auto& stop = *static_cast<std::atomic<bool>*>(argument);
    while (!stop) asm volatile("pause");
    runtime::stop_this_thread();
}

uint64_t stolen_ns(const MachineVcpu& vcpu) { return *const_cast<volatile uint64_t*>(&vcpu.state().stolen_ns); }
bool preempted(const MachineVcpu& vcpu) { return *const_cast<volatile uint32_t*>(&vcpu.state().preempted) != 0; }

}  // namespace

SYSTEM_TEST(time_is_stolen_by_whoever_shares_the_cpu) {
    NEEDS_VIRTUALIZATION();
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::spin()}));
    const MachineVcpu& vcpu = machine.vcpus[0];
    EXPECT_EQ(stolen_ns(vcpu), 0u);
    EXPECT(!machine.run(runtime::deadline_in(5 * ns_per_ms)));
    // This thread is more urgent: as long as it runs, the vCPU does not.
    EXPECT(preempted(vcpu));
    const uint64_t alone = stolen_ns(vcpu);
    EXPECT(alone < ns_per_ms);
    const runtime::SchedulingContext& context = vcpu.context;
    EXPECT_OK(context.set(50));
    std::atomic<bool> stop{false};
    Thread rival = NEEDED(start_thread(spin_until, &stop, 50));
    const uint64_t before = stolen_ns(vcpu);
    runtime::sleep_for(60 * ns_per_ms);  // six slices
    const uint64_t shared = stolen_ns(vcpu) - before;
    EXPECT(shared > 15 * ns_per_ms);
    EXPECT(shared < 45 * ns_per_ms);
    stop = true;
    rival.destroy();
    // What this thread takes is stolen, too, as soon as the vCPU has run again.
    const uint64_t end = runtime::deadline_in(2 * ns_per_ms);
    const uint64_t quiet = stolen_ns(vcpu);
    while (runtime::now_ticks() < end) asm volatile("pause");
    EXPECT_EQ(stolen_ns(vcpu), quiet);
    runtime::sleep_for(ns_per_ms);
    EXPECT(stolen_ns(vcpu) - quiet >= 2 * ns_per_ms);
}

SYSTEM_TEST(a_parked_vcpu_is_not_stolen_from) {
    NEEDS_VIRTUALIZATION();
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::hlt(), .device = [](MachineVcpu&, Exit& exit) {
                                  if (exit.reason() != abi::ExitReason::Hlt) return false;
                                  exit.skip().flag(abi::ReplyFlag::ParkUntilRecall);
                                  return true;
                              }}));
    EXPECT(!machine.run(runtime::deadline_in(3 * ns_per_ms)));
    const uint64_t before = stolen_ns(machine.vcpus[0]);
    runtime::sleep_for(5 * ns_per_ms);
    EXPECT(!preempted(machine.vcpus[0]));
    EXPECT_EQ(stolen_ns(machine.vcpus[0]), before);
}

}  // namespace bulkhead::test
