// SPDX-License-Identifier: Apache-2.0
// Virtual CPUs with the minimal guests of guests/minimal: one feature each, checked from the monitor's side.
#include <cstring>

#include "guests/minimal/images.hpp"
#include "tests/system/framework/guest.hpp"

MINIMAL_GUEST(cpuid)
MINIMAL_GUEST(msr)
MINIMAL_GUEST(port)
MINIMAL_GUEST(string_port)
MINIMAL_GUEST(real_mode)
MINIMAL_GUEST(protected_mode)
MINIMAL_GUEST(nested_fault)
MINIMAL_GUEST(hlt)
MINIMAL_GUEST(interrupt)
MINIMAL_GUEST(nmi)
MINIMAL_GUEST(exception)
MINIMAL_GUEST(own_exceptions)
MINIMAL_GUEST(level)
MINIMAL_GUEST(tpr)
MINIMAL_GUEST(cr8)
MINIMAL_GUEST(self_ipi)
MINIMAL_GUEST(triple_fault)
MINIMAL_GUEST(spin)
MINIMAL_GUEST(single_step)
MINIMAL_GUEST(hypercall)
MINIMAL_GUEST(timer)
MINIMAL_GUEST(sipi)

namespace bulkhead::test {
namespace {

using abi::AbsorbFlag;
using abi::ExitReason;
using abi::PortAccess;
using abi::PostKind;
using abi::ReplyFlag;
using abi::VcpuStateGroup;

constexpr uint32_t word(VcpuStateGroup group) { return static_cast<uint32_t>(group); }
constexpr uint32_t word(AbsorbFlag flag) { return static_cast<uint32_t>(flag); }

/// Says where a guest is that did not end.
void record_hang(Machine& machine, unsigned line) {
    const MachineVcpu& vcpu = machine.vcpus[0];
    const uint64_t now = runtime::now_ticks();
    char why[240];
    record_failure(__FILE__, line,
                   runtime::format_into(
                       why, "hangs: {} exits, last {}, {} reports, {} HLT, timer {} ticks ago, vector {x}, IRR {x}",
                       vcpu.exits.load(), vcpu.last_reason.load(), machine.reports.size(),
                       vcpu.state().exits[static_cast<size_t>(ExitReason::Hlt)],
                       static_cast<int64_t>(now - vcpu.state().timer_deadline), vcpu.state().timer_vector,
                       vcpu.virtual_apic(0x210)));
}

/// Creates, runs to the end and expects the guest's own end.
#define RUN_GUEST(machine, ...)                         \
    Machine machine;                                    \
    EXPECT_OK(machine.create(__VA_ARGS__));             \
    if (!machine.run()) record_hang(machine, __LINE__); \
    EXPECT_EQ(machine.status, 0u)

}  // namespace

SYSTEM_TEST(real_mode) {
    NEEDS_VIRTUALIZATION();
    RUN_GUEST(machine, {.image = minimal_guest::real_mode(), .mode = StartMode::Real});
    EXPECT_REPORTS(machine, 0x1234, 0, 0x100);
    EXPECT_EQ(machine.ram_at<uint16_t>(0xf000), 0xbeefu);
}

SYSTEM_TEST(protected_mode) {
    NEEDS_VIRTUALIZATION();
    RUN_GUEST(machine, {.image = minimal_guest::protected_mode(), .mode = StartMode::Protected});
    EXPECT_REPORTS(machine, 0x55aa55aa, 1, 0x77);
}

SYSTEM_TEST(cpuid) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (exit.reason() != ExitReason::Cpuid) return false;
        if (exit.argument(0) == 0x4000'0010) {
            EXPECT_EQ(exit.argument(1) & 0xffff'ffff, 7u);
            EXPECT_EQ(exit.argument(2), 1u);  // XCR0 after INIT, OSXSAVE clear
            exit.skip().result(0, 0xffff'ffff'0000'000a).result(1, 0xb).result(2, ~uint64_t{0}).result(3, 0xd);
        } else {
            exit.skip();
        }
        // Exits are numbered without gaps, but for absorbed ones.
        const uint64_t before = vcpu.machine->user[0];
        if (before != 0) EXPECT(exit.sequence() > before);
        vcpu.machine->user[0] = exit.sequence();
        return true;
    };
    RUN_GUEST(machine, {.image = minimal_guest::cpuid(), .device = device});
    EXPECT_REPORTS(machine, 0xa, 0xb, 0xffffffff, 0xd, 0);
    EXPECT_EQ(machine.vcpus[0].state().exits[static_cast<size_t>(ExitReason::Cpuid)], 101u);
}

SYSTEM_TEST(msr) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (exit.reason() == ExitReason::MsrRead) {
            EXPECT_EQ(exit.argument(0), 0x1234'5678u);
            exit.skip().result(0, 0x1111'2222'3333'4444);
            return true;
        }
        if (exit.reason() == ExitReason::MsrWrite) {
            EXPECT_EQ(exit.argument(0), 0x4000'0aaau);
            EXPECT_EQ(exit.argument(1), 0x3333'4444'1111'2222u);
            ++vcpu.machine->user[0];
            exit.skip();
            return true;
        }
        return false;
    };
    RUN_GUEST(machine, {.image = minimal_guest::msr(), .device = device});
    EXPECT_REPORTS(machine, 0x33334444, 0x11112222, 1);
    EXPECT_EQ(machine.user[0], 1u);
}

SYSTEM_TEST(ports) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        const bool read = exit.reason() == ExitReason::PortRead;
        if (!read && exit.reason() != ExitReason::PortWrite) return false;
        const uint64_t access = exit.argument(0);
        const uint16_t port = PortAccess::Port::read(access);
        const unsigned size = PortAccess::SizeBytes::read(access);
        if (port == 0xe0 || port == 0xf4) return false;
        EXPECT(!PortAccess::String::read(access));
        EXPECT_EQ(port, size == 1 ? 0x10u : 0x1234u);
        if (read) {
            exit.skip().result(0, 0xdead'beef'aabb'ccdd);
        } else {
            const uint64_t mask = (uint64_t{1} << 8 * size) - 1;
            EXPECT_EQ(exit.argument(1), 0x1122334455667788u & mask);
            ++vcpu.machine->user[0];
            exit.skip();
        }
        return true;
    };
    RUN_GUEST(machine, {.image = minimal_guest::port(), .device = device});
    EXPECT_REPORTS(machine, 0xffffffdd, 0xffffffff, 0xffffccdd, 0xffffffff, 0xaabbccdd, 0);
    EXPECT_EQ(machine.user[0], 3u);
}

SYSTEM_TEST(string_ports) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        const bool read = exit.reason() == ExitReason::PortRead;
        const uint64_t access = exit.argument(0);
        if ((!read && exit.reason() != ExitReason::PortWrite) || PortAccess::Port::read(access) >= 0x30) return false;
        EXPECT(PortAccess::String::read(access));
        EXPECT(PortAccess::Repeat::read(access));
        EXPECT_EQ(PortAccess::SizeBytes::read(access), 1u);
        const uint32_t groups = word(VcpuStateGroup::GeneralRegisters) | word(VcpuStateGroup::InstructionPointer);
        EXPECT_OK(vcpu.vcpu.pull(groups));
        abi::VcpuStatePage& state = vcpu.state();
        EXPECT_EQ(state.valid & groups, groups);
        const uint64_t count = state.rcx;
        if (read) {
            EXPECT_EQ(count, 4u);
            std::memcpy(&vcpu.machine->ram_at<char>(state.rdi), "\x11\x22\x33\x44", 4);
            state.rdi += count;
        } else {
            EXPECT_EQ(count, 5u);
            EXPECT(std::memcmp(&vcpu.machine->ram_at<char>(state.rsi), "hello", 5) == 0);
            state.rsi += count;
        }
        state.rcx = 0;
        exit.skip().changed(word(VcpuStateGroup::GeneralRegisters));
        return true;
    };
    RUN_GUEST(machine, {.image = minimal_guest::string_port(), .device = device});
    EXPECT_REPORTS(machine, 5, 0, 0x44332211);
}

namespace {
/// Maps page `index` of the window memory (user[0]: selector) where the guest missed it.
bool map_window(MachineVcpu& vcpu, uint64_t guest_physical, uint64_t index, abi::Rights access) {
    const Memory window{static_cast<Selector>(vcpu.machine->user[0])};
    const auto mapped = window.map(guest_physical, index * 4096, 4096, access, vcpu.machine->guest.selector());
    EXPECT_OK(mapped);
    return mapped.ok();
}

bool nested_fault_device(MachineVcpu& vcpu, Exit& exit) {
    if (exit.reason() != ExitReason::NestedFault) return false;
    using Access = abi::NestedFaultAccess;
    const uint64_t address = exit.argument(0);
    const uint64_t access = exit.argument(1);
    abi::VcpuStatePage& state = vcpu.state();
    constexpr abi::Rights everything = runtime::read_write | runtime::read_execute;
    const auto skip_by_hand = [&] {
        state.rip = exit.rip() + 11;
        exit.changed(word(VcpuStateGroup::InstructionPointer));
    };
    EXPECT_EQ(exit.valid_groups() & word(VcpuStateGroup::InstructionPointer), word(VcpuStateGroup::InstructionPointer));
    EXPECT_EQ(state.exit_physical_address, address);
    ++vcpu.machine->user[1];
    switch (address & ~uint64_t{0xfff}) {
        case 0x1000'0000:
            EXPECT_EQ(address, 0x1000'0008u);
            EXPECT(Access::Read::read(access));
            EXPECT(!Access::Write::read(access));
            return map_window(vcpu, 0x1000'0000, 0, runtime::read_write);
        case 0x1000'2000:
            EXPECT(Access::Write::read(access));
            skip_by_hand();
            return true;
        case 0x1000'4000:
            if (!Access::Write::read(access)) return map_window(vcpu, 0x1000'4000, 1, runtime::read_only);
            skip_by_hand();
            return true;
        case 0x1000'6000:
            EXPECT(Access::Execute::read(access));
            return map_window(vcpu, 0x1000'6000, 2, everything);
        case 0x1000'8000:
            EXPECT(Access::PageWalk::read(access));
            return map_window(vcpu, 0x1000'8000, 3, runtime::read_write);
        default:
            return false;
    }
}
}  // namespace

SYSTEM_TEST(nested_faults) {
    NEEDS_VIRTUALIZATION();
    MappedMemory window = NEEDED(take_mapped_memory(4 * 4096));
    *window.as<uint32_t>(8) = 0x1357;
    *window.as<uint32_t>(0x1000) = 0x2468;
    *window.as<uint8_t>(0x2000) = 0xc3;  // ret
    *window.as<uint64_t>(0x3000) = 0x83;
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::nested_fault(), .device = nested_fault_device}));
    machine.user[0] = window.memory.selector();
    machine.ram_at<uint32_t>(0) = 0x5a5a;
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_REPORTS(machine, 0x1357, 2, 0x2468, 0x2468, 4, 0x5a5a);
    EXPECT(machine.user[1] >= 6);
    EXPECT(machine.user[1] <= 8);
    window.destroy();
}

SYSTEM_TEST(hlt_and_timer) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu&, Exit& exit) {
        if (exit.reason() != ExitReason::Hlt) return false;
        exit.skip().flag(ReplyFlag::Park).timer(runtime::deadline_in(ns_per_ms), 0x30);
        return true;
    };
    RUN_GUEST(machine, {.image = minimal_guest::hlt(), .device = device});
    EXPECT_REPORTS(machine, 0x30, 0x100, 0x30, 0x100, 0x30, 0x100);
}

SYSTEM_TEST(hlt_absorbed) {
    NEEDS_VIRTUALIZATION();
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::hlt(), .absorb = word(AbsorbFlag::Hlt)}));
    auto interrupt =
        NEEDED(runtime::VirtualInterrupt::create(machine.guest.selector(), machine.vcpus[0].vcpu.selector(), 0x30));
    EXPECT(!machine.run(shortly()));
    EXPECT_EQ(machine.reports.size(), 0u);
    EXPECT_OK(machine.vcpus[0].vcpu.post(0x30));
    EXPECT(eventually([&] { return machine.reports.size() >= 2; }));
    EXPECT_OK(interrupt.post());
    EXPECT(eventually([&] { return machine.reports.size() >= 4; }));
    // Masked, it comes at the unmasking.
    EXPECT_OK(interrupt.set(machine.vcpus[0].vcpu.selector(), 0x30, true));
    EXPECT_OK(interrupt.post());
    EXPECT(!machine.run(shortly()));
    EXPECT_EQ(machine.reports.size(), 4u);
    EXPECT_OK(interrupt.set(machine.vcpus[0].vcpu.selector(), 0x30, false));
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_EQ(machine.vcpus[0].state().absorbed_exits[static_cast<size_t>(ExitReason::Hlt)], 3u);
    interrupt.forget();
}

SYSTEM_TEST(interrupts_and_windows) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (is_report(exit, 1)) {
            EXPECT_OK(vcpu.vcpu.post(0x31));
            EXPECT_OK(vcpu.vcpu.post(0x51));
        }
        if (is_report(exit, 4)) EXPECT_OK(vcpu.vcpu.post(0x31));
        return false;
    };
    RUN_GUEST(machine, {.image = minimal_guest::interrupt(), .device = device});
    EXPECT_REPORTS(machine, 1, 2, 0x51, 0x52, 0x31, 3, 4, 0x31, 5);
}

SYSTEM_TEST(nmis) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (is_report(exit, 1) || is_report(exit, 0x21)) EXPECT_OK(vcpu.vcpu.post(0, PostKind::Nmi));
        return false;
    };
    RUN_GUEST(machine, {.image = minimal_guest::nmi(), .device = device});
    EXPECT_REPORTS(machine, 1, 0x20, 0x21, 0x22, 0x20, 2);
}

SYSTEM_TEST(injected_exceptions) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu&, Exit& exit) {
        if (exit.reason() != ExitReason::Cpuid) return false;
        if (exit.argument(0) == 0x4000'0000) {
            exit.inject(13, 0x18);
        } else {
            exit.inject(6);
        }
        return true;
    };
    RUN_GUEST(machine, {.image = minimal_guest::exception(), .device = device});
    EXPECT_REPORTS(machine, 0x18, 0, 1, 0, 2);
}

SYSTEM_TEST(own_exceptions_do_not_exit) {
    NEEDS_VIRTUALIZATION();
    RUN_GUEST(machine, {.image = minimal_guest::own_exceptions()});
    EXPECT_REPORTS(machine, 0x100, 0x106, 0x103, 0x40000000);
    EXPECT_EQ(machine.vcpus[0].exits.load(), 1 + 4 + 1u);
}

SYSTEM_TEST(level_triggered_eoi) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (is_report(exit, 1)) {
            EXPECT_OK(vcpu.vcpu.post(0x40, PostKind::FixedLevel));
            EXPECT_OK(vcpu.vcpu.post(0x41));
        }
        if (exit.reason() != ExitReason::EndOfInterrupt) return false;
        EXPECT_EQ(exit.argument(0), 0x40u);
        static_cast<void>(vcpu.machine->reports.push_back(0xe0e0));
        return true;
    };
    RUN_GUEST(machine, {.image = minimal_guest::level(), .device = device});
    EXPECT_REPORTS(machine, 1, 0x41, 0x40, 0xe0e0, 0x42, 2);
}

SYSTEM_TEST(task_priority) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (is_report(exit, 1)) EXPECT_OK(vcpu.vcpu.post(0x45));
        return false;
    };
    RUN_GUEST(machine, {.image = minimal_guest::tpr(), .device = device});
    EXPECT_REPORTS(machine, 5, 1, 4, 0x45, 5, 0x30);
}

SYSTEM_TEST(task_priority_by_cr8) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (is_report(exit, 1)) EXPECT_OK(vcpu.vcpu.post(0x45));
        return false;
    };
    RUN_GUEST(machine, {.image = minimal_guest::cr8(), .device = device});
    EXPECT_REPORTS(machine, 4, 1, 2, 0x45, 3);
}

SYSTEM_TEST(self_ipi) {
    NEEDS_VIRTUALIZATION();
    RUN_GUEST(machine, {.image = minimal_guest::self_ipi()});
    EXPECT_REPORTS(machine, 1u << 19, 1u << 19, 0x33, 0, 0);
}

SYSTEM_TEST(triple_fault) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (exit.reason() != ExitReason::TripleFault) return false;
        EXPECT_EQ(vcpu.state().idtr.limit, 0u);
        vcpu.machine->finish(exit, 0);
        return true;
    };
    RUN_GUEST(machine, {.image = minimal_guest::triple_fault(), .device = device});
    EXPECT_REPORTS(machine, 1);
}

SYSTEM_TEST(recall) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu& vcpu, Exit& exit) {
        if (exit.reason() != ExitReason::Recall) return false;
        ++vcpu.machine->user[0];
        EXPECT_EQ(exit.instruction_length(), 0u);
        if (vcpu.machine->user[0] < 3) return true;
        // Behind the loop: `incq RESULTS` is eight bytes long, the jump two.
        abi::VcpuStatePage& state = vcpu.state();
        EXPECT_EQ(state.rip, exit.rip());
        while (vcpu.machine->ram_at<uint8_t>(state.rip) != 0xeb) ++state.rip;
        state.rip += 2;
        exit.changed(word(VcpuStateGroup::InstructionPointer));
        return true;
    };
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::spin(), .device = device}));
    for (uint64_t i = 0; i < 3; ++i) {
        EXPECT(!machine.run(shortly()));
        const auto& rounds = machine.ram_at<volatile uint64_t>(Machine::results_address);
        EXPECT(eventually([&] { return rounds != 0; }));  // the guest is in its loop
        EXPECT_OK(machine.vcpus[0].vcpu.recall());
        EXPECT(eventually([&] { return machine.user[0] == i + 1 || machine.status != ~0u; }));
    }
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_REPORTS(machine, 1, 2);
    EXPECT(machine.ram_at<uint64_t>(Machine::results_address) > 0);
}

SYSTEM_TEST(single_step) {
    NEEDS_VIRTUALIZATION();
    RUN_GUEST(machine, {.image = minimal_guest::single_step()});
    EXPECT_REPORTS(machine, 0x66);
}

SYSTEM_TEST(hypercall) {
    NEEDS_VIRTUALIZATION();
    const Device device = [](MachineVcpu&, Exit& exit) {
        if (exit.reason() != ExitReason::Hypercall) return false;
        for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(exit.argument(i), 0x10u * (i + 1));
        exit.skip().result(0, 0x99);
        return true;
    };
    Machine machine;
    EXPECT_OK(machine.create({.image = minimal_guest::hypercall(), .device = device}));
    machine.ram_at<uint32_t>(Machine::results_address) =
        runtime::system_information().virtualization == abi::Virtualization::Svm ? 1 : 0;
    EXPECT(machine.run());
    EXPECT_EQ(machine.status, 0u);
    EXPECT_REPORTS(machine, 0x99);
}

SYSTEM_TEST(tsc_deadline_absorbed) {
    NEEDS_VIRTUALIZATION();
    RUN_GUEST(machine, {.image = minimal_guest::timer(),
                        .absorb = word(AbsorbFlag::Hlt) | word(AbsorbFlag::TscDeadline),
                        .absorbed_timer_vector = 0x35});
    EXPECT_EQ(machine.reports.size(), 3u);
    if (machine.reports.size() != 3) return;
    EXPECT_EQ(machine.reports[1], 0x35u);
    EXPECT_EQ(machine.reports[2], 0u);
}

namespace {
bool sipi_device(MachineVcpu& vcpu, Exit& exit) {
    Machine& machine = *vcpu.machine;
    if (is_port_write(exit, 0x50)) {
        machine.user[0] = exit.argument(1);
        EXPECT_OK(machine.vcpus[1].vcpu.recall());
        exit.skip();
        return true;
    }
    if (exit.reason() != ExitReason::Recall || vcpu.index != 1) return false;
    abi::VcpuStatePage& state = vcpu.state();
    machine.set_start_state(state, StartMode::Real);
    state.cs.selector = static_cast<uint16_t>(machine.user[0] << 8);
    state.cs.base = machine.user[0] << 12;
    state.rip = 0;
    exit.changed(abi::all_vcpu_state_groups);
    return true;
}
}  // namespace

SYSTEM_TEST(second_vcpu_by_sipi) {
    NEEDS_VIRTUALIZATION();
    RUN_GUEST(machine, {.image = minimal_guest::sipi(), .device = sipi_device, .vcpus = 2});
    EXPECT_REPORTS(machine, 0xabcd);
    EXPECT_EQ(machine.ram_at<uint16_t>(0xf008), 0x200u);
}

SYSTEM_TEST(many_machines_come_and_go) {
    NEEDS_VIRTUALIZATION();
    uint64_t before = 0;
    for (int i = 0; i < 24 && !has_failed(); ++i) {
        if (i == 4) before = NEEDED(runtime::Domain{self}.free_quota_pages());  // warm by now
        Machine machine;
        EXPECT_OK(machine.create({.image = minimal_guest::spin(), .vcpus = 2}));
        EXPECT(!machine.run(runtime::deadline_in(ns_per_ms)));
        machine.destroy();  // while it runs
    }
    const uint64_t after = NEEDED(runtime::Domain{self}.free_quota_pages());
    EXPECT_EQ(before - after < 5 ? 0 : before - after, 0u);
}

}  // namespace bulkhead::test
