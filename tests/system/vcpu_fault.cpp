// SPDX-License-Identifier: Apache-2.0
// Virtual CPUs when something is wrong: hostile state, guests that execute garbage, monitors that die or answer
// nonsense, exhausted quotas.
#include <cstring>

#include "guests/minimal/images.hpp"
#include "tests/system/framework/guest.hpp"

MINIMAL_GUEST(cpuid)
MINIMAL_GUEST(spin)
MINIMAL_GUEST(spin_disabled)
MINIMAL_GUEST(hlt)
MINIMAL_GUEST(many_exits)

namespace bulkhead::test {
namespace {

using abi::ExitReason;
using abi::ReplyFlag;
using abi::VcpuStateGroup;

uint64_t mix(uint64_t value) {
    value = (value ^ value >> 30) * 0xbf58'476d'1ce4'e5b9u;
    value = (value ^ value >> 27) * 0x94d0'49bb'1331'11ebu;
    return value ^ value >> 31;
}

/// Fills memory with random bytes.
void scramble(void* memory, size_t bytes, uint64_t seed) {
    auto* words = static_cast<uint64_t*>(memory);
    for (size_t i = 0; i < bytes / 8; ++i) words[i] = mix(seed + i);
}

/// Ends a machine that may run or be stopped anywhere: whatever it does, it must be possible to destroy it.
void run_for_a_while(Machine& machine) {
    static_cast<void>(machine.run(runtime::deadline_in(3 * ns_per_ms)));
    machine.destroy();
}

/// Lets go on whatever comes, some 200 times.
bool tolerate(MachineVcpu& vcpu, Exit& exit) {
    Machine& machine = *vcpu.machine;
    if (exit.reason() == ExitReason::Startup) return false;
    if (++machine.user[0] > 200 || exit.reason() == ExitReason::TripleFault ||
        exit.reason() == ExitReason::InvalidState) {
        machine.finish(exit, 1);
        return true;
    }
    switch (mix(machine.user[0]) % 3) {
        case 0:
            exit.skip();
            if (exit.instruction_length() == 0) exit.inject(6);
            break;
        case 1:
            exit.inject(13, 0);
            break;
        default:
            exit.inject(6);
            break;
    }
    return true;
}

}  // namespace

SYSTEM_TEST(garbage_code) {
    NEEDS_VIRTUALIZATION();
    for (uint64_t seed = 0; seed < 30 && !has_failed(); ++seed) {
        for (const StartMode mode : {StartMode::Real, StartMode::Protected, StartMode::Long}) {
            Machine machine;
            EXPECT_OK(machine.create({.image = {}, .mode = mode, .device = tolerate}));
            scramble(&machine.ram_at<char>(Machine::load_address), 0x8000, seed * 100000);
            run_for_a_while(machine);
        }
    }
    EXPECT_OK(invoke(abi::Null{}));
}

namespace {

uint64_t hostile_seed;
uint64_t invalid_states;

/// Answers Startup with a state page of random content, then with a good one.
bool hostile_start(MachineVcpu& vcpu, Exit& exit) {
    Machine& machine = *vcpu.machine;
    abi::VcpuStatePage& state = vcpu.state();
    if (exit.reason() == ExitReason::InvalidState) ++invalid_states;
    if (exit.reason() != ExitReason::Startup) return tolerate(vcpu, exit);
    const abi::VcpuConfiguration configuration = state.configuration;
    machine.set_start_state(state, static_cast<StartMode>(hostile_seed % 3));
    auto* words = reinterpret_cast<uint64_t*>(&state.rax);
    const size_t count = (offsetof(abi::VcpuStatePage, interruptibility) - offsetof(abi::VcpuStatePage, rax)) / 8 + 1;
    if (hostile_seed < 40) {
        scramble(words, count * 8, hostile_seed * 1000);
    } else {
        // One word only.
        const uint64_t values[] = {~uint64_t{0}, uint64_t{1} << 63, 0xffff, 0x8000'0000'0000, mix(hostile_seed)};
        words[(hostile_seed - 40) / 5 % count] = values[hostile_seed % 5];
    }
    state.configuration = configuration;
    exit.changed(abi::all_vcpu_state_groups);
    return true;
}

}  // namespace

SYSTEM_TEST(hostile_state_pages) {
    NEEDS_VIRTUALIZATION();
    invalid_states = 0;
    const size_t words = (offsetof(abi::VcpuStatePage, interruptibility) - offsetof(abi::VcpuStatePage, rax)) / 8 + 1;
    for (hostile_seed = 0; hostile_seed < 40 + 5 * words && !has_failed(); ++hostile_seed) {
        Machine machine;
        EXPECT_OK(machine.create({.image = minimal_guest::cpuid(), .device = hostile_start}));
        run_for_a_while(machine);
    }
    EXPECT(invalid_states > 0);
    EXPECT_OK(invoke(abi::Null{}));
}

SYSTEM_TEST(bad_state_is_an_exit_that_can_be_repaired) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        Machine& machine = *vcpu.machine;
        if (exit.reason() != ExitReason::Startup && exit.reason() != ExitReason::InvalidState) return false;
        machine.set_start_state(vcpu.state(), StartMode::Long);
        if (exit.reason() == ExitReason::Startup) {
            vcpu.state().cr0 = 0x8000'0010;  // paging without protection
        } else {
            ++machine.user[0];
        }
        exit.changed(abi::all_vcpu_state_groups);
        return true;
    };
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::cpuid(), .device = device}));
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_EQ(machine.user[0], 1u);
}

SYSTEM_TEST(hostile_replies) {
    NEEDS_VIRTUALIZATION();
    static uint64_t seed;
    for (seed = 0; seed < 60 && !has_failed(); ++seed) {
        const Device device = [](MachineVcpu& vcpu, Exit& exit) {
            Machine& machine = *vcpu.machine;
            if (exit.reason() == ExitReason::Startup && machine.user[0]++ == 0) return false;
            if (++machine.user[1] > 50) {
                machine.finish(exit, 0);
                return true;
            }
            const uint64_t random = mix(seed * 100 + machine.user[1]);
            for (unsigned bit = 0; bit < 32; ++bit) {
                if ((mix(random + bit) & 1) != 0) exit.flag(static_cast<ReplyFlag>(1u << bit));
            }
            if ((random & 2) != 0) exit.inject(static_cast<uint8_t>(random >> 8), static_cast<uint32_t>(random >> 16));
            if ((random & 4) != 0) exit.timer(mix(random), static_cast<uint8_t>(random >> 24));
            for (unsigned i = 0; i < 4; ++i) exit.result(i, mix(random + i));
            if ((random & 0x30) == 0) exit.changed(static_cast<uint32_t>(mix(random)));
            return true;
        };
        Machine machine;
        EXPECT_OK(machine.create({.image = minimal_guest::cpuid(), .device = device}));
        run_for_a_while(machine);
    }
    EXPECT_OK(invoke(abi::Null{}));
}

SYSTEM_TEST(hostile_virtual_apic_page) {
    NEEDS_VIRTUALIZATION();
    for (uint64_t seed = 0; seed < 20 && !has_failed(); ++seed) {
        const Device device = [](MachineVcpu& vcpu, Exit& exit) {
            if (exit.reason() == ExitReason::Startup) return false;
            scramble(reinterpret_cast<void*>(vcpu.state_address + abi::virtual_apic_page_offset), 4096,
                     exit.sequence());
            exit.flag(ReplyFlag::ApicChanged);
            return tolerate(vcpu, exit);
        };
        Machine machine;
        EXPECT_OK(machine.create({.image = minimal_guest::hlt(), .device = device}));
        scramble(reinterpret_cast<void*>(machine.vcpus[0].state_address + abi::virtual_apic_page_offset), 4096, seed);
        run_for_a_while(machine);
    }
    EXPECT_OK(invoke(abi::Null{}));
}

namespace {

/// The monitor of these tests: answers CPUID with its leaf, and dies at exits the test names.
uint64_t die_at;
std::atomic<uint64_t> died_with;
std::atomic<uint64_t> died_leaf;

void mortal(uint64_t badge, runtime::Request& request) {
    auto& vcpu = *reinterpret_cast<MachineVcpu*>(badge);
    Exit exit{request};
    if (exit.reason() == ExitReason::Cpuid) {
        if (died_with != 0) {
            // What the one before did not finish comes again: the same number, the same words.
            EXPECT_EQ(exit.sequence(), died_with.load());
            EXPECT_EQ(exit.argument(0), died_leaf.load());
            died_with = 0;
        }
        if (++vcpu.machine->user[0] == die_at) {
            died_leaf = exit.argument(0);
            died_with = exit.sequence();
            asm volatile("ud2");  // without exception portal: stopped for good
        }
        exit.skip().result(0, exit.argument(0));
        exit.send();
        return;
    }
    Machine::handle_exit(badge, request);
}

}  // namespace

SYSTEM_TEST(monitors_die_and_the_guest_goes_on) {
    NEEDS_VIRTUALIZATION();
    die_at = 0;
    died_with = 0;
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::many_exits()}));
    MachineVcpu& vcpu = machine.vcpus[0];
    Handler first = vcpu.handler;
    EXPECT_OK(machine.bind_handler(vcpu, runtime::message_handler<mortal>));
    first.destroy();
    for (int death = 0; death < 10 && !has_failed(); ++death) {
        die_at = machine.user[0] + 17;
        EXPECT(!machine.run(runtime::deadline_in(ns_per_ms)));
        REQUIRE(eventually([&] { return died_with != 0; }));
        Handler dead = vcpu.handler;
        // Half of the time the old handler is gone before there is a new one.
        if (death % 2 == 0) dead.destroy();
        die_at = 0;
        EXPECT_OK(machine.bind_handler(vcpu, runtime::message_handler<mortal>));
        if (death % 2 != 0) dead.destroy();
        EXPECT(eventually([&] { return died_with == 0; }));
    }
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_REPORTS(machine, 1);
}

namespace {
std::atomic<uint64_t> deaths_seen;
std::atomic<uint64_t> sequence_seen;

/// Dies over the first CPUID, until it hears that three have.
void dies_three_times(uint64_t badge, runtime::Request& request) {
    Exit exit{request};
    if (exit.reason() != ExitReason::Cpuid) return Machine::handle_exit(badge, request);
    if (sequence_seen == 0) sequence_seen = exit.sequence();
    if (exit.sequence() == sequence_seen) {
        deaths_seen = exit.deaths();
        if (exit.deaths() < 3) asm volatile("ud2");
    } else {
        EXPECT_EQ(exit.deaths(), 0u);
    }
    exit.skip().result(0, exit.argument(0));
    exit.send();
}
}  // namespace

SYSTEM_TEST(deaths_over_an_exit_are_counted) {
    NEEDS_VIRTUALIZATION();
    sequence_seen = 0;
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::many_exits()}));
    MachineVcpu& vcpu = machine.vcpus[0];
    machine.vcpus[0].handler.destroy();
    for (uint64_t death = 0; death < 3; ++death) {
        deaths_seen = 99;
        EXPECT_OK(machine.bind_handler(vcpu, runtime::message_handler<dies_three_times>));
        EXPECT(!machine.run(runtime::deadline_in(ns_per_ms)));
        EXPECT(eventually([&] { return deaths_seen == death; }));
        vcpu.handler.destroy();
    }
    // A monitor that is replaced in the middle of an exit has not died over it.
    EXPECT_OK(machine.bind_handler(vcpu, runtime::message_handler<dies_three_times>));
    EXPECT(machine.run());
    EXPECT_EQ(deaths_seen.load(), 3u);
    EXPECT_REPORTS(machine, 1);
}

SYSTEM_TEST(rebinding_a_running_vcpu) {
    NEEDS_VIRTUALIZATION();
    die_at = 0;
    died_with = 0;
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::many_exits()}));
    for (int i = 0; i < 10; ++i) {
        Handler before = machine.vcpus[0].handler;
        EXPECT_OK(machine.bind_handler(machine.vcpus[0], runtime::message_handler<mortal>));
        before.destroy();
        if (machine.run(runtime::deadline_in(ns_per_ms / 10))) break;
    }
    if (machine.status == ~0u) EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_REPORTS(machine, 1);
}

SYSTEM_TEST(wrong_sequence_numbers) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        Machine& machine = *vcpu.machine;
        if (exit.reason() != ExitReason::Cpuid) return false;
        // Twice wrong, then right: the exit comes again until somebody names it.
        if (machine.user[1] != exit.sequence()) {
            machine.user[1] = exit.sequence();
            machine.user[2] = 0;
        }
        exit.skip().result(0, exit.argument(0));
        if (++machine.user[2] <= 2)
            exit.result(0, 0xbad).answer_sequence(exit.sequence() + (machine.user[2] == 1 ? 1 : -uint64_t{1}));
        return true;
    };
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::many_exits(), .device = device}));
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_REPORTS(machine, 1);
}

SYSTEM_TEST(state_can_be_pulled_in_an_exit_only) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (exit.reason() == ExitReason::Cpuid && vcpu.machine->user[0]++ == 0) {
            EXPECT_EQ(exit.valid_groups(), 0u);
            EXPECT_STATUS(vcpu.vcpu.pull(~0u), Status::BadArgument);
            EXPECT_OK(vcpu.vcpu.pull(abi::all_vcpu_state_groups));
            EXPECT_EQ(vcpu.state().rip, exit.rip());
            EXPECT_EQ(vcpu.state().rax & 0xffff'ffff, exit.argument(0) & 0xffff'ffff);
            EXPECT_EQ(vcpu.state().cs.selector, 8u);
            EXPECT_EQ(vcpu.state().cr3, 0x10000u);
        }
        return false;
    };
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::cpuid(), .device = device}));
    EXPECT_STATUS(machine.vcpus[0].vcpu.pull(1), Status::Busy);
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    // The run's end is told before the handler has replied.
    EXPECT(eventually([&] { return status_of(machine.vcpus[0].vcpu.pull(1)) == Status::Busy; }));
}

SYSTEM_TEST(destroyed_in_an_exit) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (exit.reason() != ExitReason::Cpuid) return false;
        static_cast<void>(vcpu.machine->ended.signal(1));
        runtime::sleep_for(3 * ns_per_ms);
        exit.skip();
        return true;
    };
    for (int i = 0; i < 5; ++i) {
        Machine machine;
        EXPECT_OK(machine.create({.image = minimal_guest::many_exits(), .device = device}));
        EXPECT(machine.run());
        EXPECT_OK(machine.guest.destroy());
        runtime::sleep_for(4 * ns_per_ms);  // the handler's reply finds nobody
    }
}

SYSTEM_TEST(virtual_interrupts_outlive_their_target) {
    NEEDS_VIRTUALIZATION();
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::spin(), .vcpus = 2}));
    auto interrupt =
        NEEDED(runtime::VirtualInterrupt::create(machine.guest.selector(), machine.vcpus[0].vcpu.selector(), 0x30));
    EXPECT_OK(interrupt.set(machine.vcpus[1].vcpu.selector(), 0x31, false));
    EXPECT_OK(interrupt.post());
    EXPECT_OK(invoke(abi::Destroy{machine.vcpus[1].vcpu.selector()}));
    static_cast<void>(interrupt.post());
    static_cast<void>(interrupt.set(machine.vcpus[0].vcpu.selector(), 0x32, true));
    static_cast<void>(interrupt.post());
    static_cast<void>(interrupt.set(machine.vcpus[0].vcpu.selector(), 0x32, false));
    machine.vcpus[1].vcpu.forget();
    EXPECT_OK(invoke(abi::Null{}));
    machine.destroy();
    EXPECT_STATUS(interrupt.post(), Status::BadCapability);
    interrupt.forget();
}

SYSTEM_TEST(binding_is_checked) {
    NEEDS_VIRTUALIZATION();
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::spin()}));
    Notification notification = NEEDED(Notification::create());
    EXPECT_STATUS(machine.vcpus[0].vcpu.bind(notification.selector()), Status::WrongType);
    EXPECT_STATUS(machine.vcpus[0].vcpu.bind(abi::null_selector), Status::BadCapability);
    if (root().cpu_count > 1) {
        Handler other = NEEDED(Handler::create(runtime::message_handler<mortal>, 0, 1));
        EXPECT_STATUS(machine.vcpus[0].vcpu.bind(other.portal.selector()), Status::WrongCpu);
        other.destroy();
    }
    EXPECT_STATUS(machine.vcpus[0].vcpu.post(15), Status::BadArgument);
    EXPECT_STATUS(machine.vcpus[0].vcpu.post(0, static_cast<abi::PostKind>(3)), Status::BadArgument);
    EXPECT_STATUS(runtime::create_vcpu(machine.guest.selector(), root().cpu_count), Status::BadArgument);
    EXPECT_OK(notification.destroy());
}

SYSTEM_TEST(guest_quota) {
    NEEDS_VIRTUALIZATION();
    runtime::Domain guest = NEEDED(runtime::Domain::create_guest(12));
    Status status = Status::Ok;
    for (int i = 0; i < 10 && status == Status::Ok; ++i) status = status_of(runtime::create_vcpu(guest.selector(), 0));
    EXPECT_EQ(status, Status::OutOfMemory);
    Memory memory = NEEDED(take_memory(4096));
    status = Status::Ok;
    for (uint64_t i = 0; i < 40 && status == Status::Ok; ++i) {
        status = status_of(memory.map(i << 30, 0, 4096, runtime::read_write, guest.selector()));
    }
    EXPECT_EQ(status, Status::OutOfMemory);
    EXPECT_OK(guest.destroy());
    give_memory_back(memory);
}

/// Lets a guest that never ends go until its counter has moved: on a busy host a short time may be no time at all.
static uint64_t count_of_spinning(Machine& machine) {
    uint64_t count = 0;
    for (int attempt = 0; attempt < 1000 && count == 0; ++attempt) {
        EXPECT(!machine.run(shortly()));
        count = machine.ram_at<uint64_t>(Machine::results_address);
    }
    return count;
}

SYSTEM_TEST(guest_memory_that_is_taken_away) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (exit.reason() != ExitReason::NestedFault) return false;
        EXPECT_EQ(exit.argument(0) & ~uint64_t{0x1f'ffff}, 0u);
        vcpu.machine->finish(exit, 7);
        return true;
    };
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::spin(), .device = device}));
    EXPECT(count_of_spinning(machine) > 0);
    // Unmapped under the running guest: from the return of the call on it reaches nothing of it.
    EXPECT_OK(runtime::unmap(0, machine.guest.selector()));
    const uint64_t count = machine.ram_at<uint64_t>(Machine::results_address);
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 7u);
    EXPECT_EQ(machine.ram_at<uint64_t>(Machine::results_address), count);
}

/// Last, as where this fails nothing runs any more.
SYSTEM_TEST(spinning_with_interrupts_disabled) {
    NEEDS_VIRTUALIZATION();
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::spin_disabled()}));
    EXPECT(count_of_spinning(machine) > 0);
}

}  // namespace bulkhead::test
