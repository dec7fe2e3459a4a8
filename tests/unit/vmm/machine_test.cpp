// SPDX-License-Identifier: Apache-2.0
// Whole machines, driven by exits as the kernel makes them; among them monitors that die and are succeeded.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

#include "fakes.hpp"
#include "ram.hpp"
#include "abi/layout.hpp"
#include "vmm/exit/exit_handler.hpp"
#include "vmm/vm/layout.hpp"

namespace bulkhead::vmm {
namespace {

using abi::ExitReason;
using abi::ReplyFlag;
using Kind = Effect::Kind;

struct NoLock final : MachineLock {
    void lock() override {
        EXPECT_FALSE(held);
        held = true;
    }
    void unlock() override { held = false; }
    bool held = false;
};

struct QuietCpu final : HostCpu {
    CpuidResult cpuid(uint32_t leaf, uint32_t) override {
        if (leaf == 0) return {0x16, 0x756e6547, 0x6c65746e, 0x49656e69};
        if (leaf == 0x80000000) return {0x80000008, 0, 0, 0};
        if (leaf == 0x80000008) return {0x3027, 0, 0, 0};
        return {};
    }
    uint64_t xcr0() override { return 0; }
};

/// What outlives a monitor: RAM, device state, state pages.
struct Hardware {
    Hardware() {
        ram.add(32 << 20, 0xc0000);
        kernel.resize(8 * 512);
        const auto put = [&](std::size_t place, auto value) { std::memcpy(kernel.data() + place, &value, sizeof(value)); };
        put(0x1f1, uint8_t{4});
        put(0x201, uint8_t{0x6a});
        put(0x202, uint32_t{0x53726448});
        put(0x206, uint16_t{0x20f});
        put(0x22c, uint32_t{0x7fffffff});
        put(0x230, uint32_t{0x200000});
        put(0x234, uint8_t{1});
        put(0x236, uint16_t{1});
        put(0x238, uint32_t{2047});
        put(0x258, uint64_t{0x1000000});
        put(0x260, uint32_t{0x100000});
    }
    test::Ram ram{0xa0000};
    std::vector<std::byte> kernel;
    std::unique_ptr<DeviceMemory> state = std::make_unique<DeviceMemory>();
    std::array<abi::VcpuStatePage, 2> pages{};
    std::array<std::array<volatile uint32_t, 1024>, 2> apic_pages{};
    test::FakeTime time;
};

/// One life of a monitor.
struct Monitor {
    explicit Monitor(Hardware& target)
        : hardware{target},
          pages{target.apic_pages[0].data(), target.apic_pages[1].data()},
          machine{*target.state, target.ram.memory(), pages, {.vcpu_count = 2}, {outside, target.time, log, cpu}} {
        if (target.state->started()) {
            machine.recover();
        } else {
            EXPECT_TRUE(machine.power_on({.kernel = target.kernel, .initrd = {}, .command_line = "quiet"}));
        }
        for (unsigned index = 0; index < 2; ++index) handlers.push_back(std::make_unique<ExitHandler>(machine, index, target.pages[index], lock));
    }
    ExitReply exit(unsigned vcpu, ExitReason reason, uint64_t r8 = 0, uint64_t r9 = 0, uint64_t r10 = 0) {
        return handlers[vcpu]->handle({.label = static_cast<uint32_t>(reason) | 2 << 8, .sequence = ++sequence, .r8 = r8, .r9 = r9, .r10 = r10, .rip = 0x1234});
    }
    ExitReply again(unsigned vcpu, ExitReason reason, uint64_t number, uint64_t r8 = 0, uint64_t r9 = 0) {
        return handlers[vcpu]->handle({.label = static_cast<uint32_t>(reason) | 2 << 8, .sequence = number, .r8 = r8, .r9 = r9, .rip = 0x1234});
    }
    static bool has(const ExitReply& reply, ReplyFlag flag) { return (reply.label & static_cast<uint32_t>(flag)) != 0; }

    Hardware& hardware;
    test::FakeOutside outside;
    test::FakeLog log;
    QuietCpu cpu;
    NoLock lock;
    std::array<volatile uint32_t*, 2> pages;
    Machine machine;
    std::vector<std::unique_ptr<ExitHandler>> handlers;
    uint64_t sequence = 0;
};

constexpr uint64_t byte_port(uint16_t port) { return port | 1u << 16; }

TEST(MachineTest, StartsTheBootstrapProcessorInTheKernel) {
    Hardware hardware;
    Monitor monitor{hardware};
    const ExitReply first = monitor.exit(0, ExitReason::Startup);
    const abi::VcpuStatePage& page = hardware.pages[0];
    EXPECT_EQ(page.rip, 0x1000200u);
    EXPECT_EQ(page.rsi, Layout::boot_parameters);
    EXPECT_EQ(page.cs.selector, 0x10);
    EXPECT_EQ(page.efer, 0x500u);
    EXPECT_NE(first.groups & static_cast<uint32_t>(abi::VcpuStateGroup::ControlRegisters), 0u);
    EXPECT_FALSE(Monitor::has(first, ReplyFlag::ParkUntilRecall));
    EXPECT_TRUE(Monitor::has(monitor.exit(1, ExitReason::Startup), ReplyFlag::ParkUntilRecall));
}

TEST(MachineTest, StartsTheOthersBySipi) {
    Hardware hardware;
    Monitor monitor{hardware};
    monitor.exit(0, ExitReason::Startup);
    monitor.exit(1, ExitReason::Startup);
    monitor.exit(0, ExitReason::MsrWrite, 0x1b, 0xfee00d00);
    monitor.exit(0, ExitReason::MsrWrite, 0x830, uint64_t{1} << 32 | 0x4500);
    EXPECT_EQ(monitor.outside.count(Kind::Recall), 1u);
    EXPECT_TRUE(Monitor::has(monitor.exit(1, ExitReason::Recall), ReplyFlag::ParkUntilRecall));
    monitor.exit(0, ExitReason::MsrWrite, 0x830, uint64_t{1} << 32 | 0x4600 | 0x99);
    const ExitReply start = monitor.exit(1, ExitReason::Recall);
    EXPECT_FALSE(Monitor::has(start, ReplyFlag::ParkUntilRecall));
    EXPECT_EQ(hardware.pages[1].cs.base, 0x99000u);
    EXPECT_EQ(hardware.pages[1].cs.selector, 0x9900);
    EXPECT_EQ(hardware.pages[1].rip, 0u);
    EXPECT_EQ(hardware.pages[1].xcr0, 1u);
}

TEST(MachineTest, PortsMsrsCpuid) {
    Hardware hardware;
    Monitor monitor{hardware};
    monitor.exit(0, ExitReason::Startup);
    for (char character : std::string_view{"hello"}) {
        EXPECT_TRUE(Monitor::has(monitor.exit(0, ExitReason::PortWrite, byte_port(0x3f8), static_cast<uint64_t>(character)), ReplyFlag::SkipInstruction));
    }
    EXPECT_EQ(std::memcmp(hardware.state->uart_output.bytes.data(), "hello", 5), 0);
    EXPECT_EQ(hardware.state->uart.sent, 5u);
    EXPECT_EQ(monitor.exit(0, ExitReason::PortRead, byte_port(0x3fd)).r8, 0x60u);
    EXPECT_EQ(monitor.exit(0, ExitReason::PortRead, 0xcf8 | 4 << 16).r8, 0xffffffffu);
    EXPECT_EQ(monitor.exit(0, ExitReason::Cpuid, 0x40000000).r9, 0x4b4d564bu);
    EXPECT_EQ(monitor.exit(0, ExitReason::MsrRead, 0xfe).r8, 0x508u);
    const ExitReply unknown = monitor.exit(0, ExitReason::MsrRead, 0x64e);
    EXPECT_TRUE(Monitor::has(unknown, ReplyFlag::Inject));
    EXPECT_FALSE(Monitor::has(unknown, ReplyFlag::SkipInstruction));
    EXPECT_EQ(unknown.event, 13u | 1u << 8);
    const ExitReply adjusted = monitor.exit(0, ExitReason::MsrWrite, 0x3b, 77);
    EXPECT_EQ(hardware.pages[0].tsc_offset, 77u);
    EXPECT_EQ(adjusted.groups, static_cast<uint64_t>(abi::VcpuStateGroup::TimeStampCounter));
    EXPECT_EQ(monitor.exit(0, ExitReason::Hypercall, 1).r8, static_cast<uint64_t>(-1000));
}

TEST(MachineTest, LocalApicThroughMemoryAndTimer) {
    Hardware hardware;
    Monitor monitor{hardware};
    monitor.exit(0, ExitReason::Startup);
    abi::VcpuStatePage& page = hardware.pages[0];
    page.cr0 = 1;
    page.cs.base = 0;
    page.cs.access = 0xc09b;
    page.rip = 0x8000;
    hardware.ram.put_bytes(0x8000, {0x89, 0x03});  // mov [ebx], eax
    page.rbx = 0xfee000f0;
    page.rax = 0x1ff;
    const ExitReply reply = monitor.exit(0, ExitReason::NestedFault, 0xfee000f0, 2);
    EXPECT_EQ(page.rip, 0x8002u);
    EXPECT_NE(reply.groups & static_cast<uint32_t>(abi::VcpuStateGroup::InstructionPointer), 0u);
    EXPECT_EQ(hardware.state->vcpus[0].apic.spurious, 0x1ffu);
    monitor.exit(0, ExitReason::MsrWrite, 0x1b, 0xfee00d00);
    monitor.exit(0, ExitReason::MsrWrite, 0x832, 2u << 17 | 0xec);
    EXPECT_EQ(page.absorbed_timer_vector, 0xecu);
    const ExitReply masked = monitor.exit(0, ExitReason::MsrWrite, 0x832, 1u << 16);
    EXPECT_TRUE(Monitor::has(masked, ReplyFlag::SetTimer));
    EXPECT_EQ(masked.timer_deadline, abi::no_deadline);
    EXPECT_EQ(page.absorbed_timer_vector, 0u);
    // x2APIC now: the page is gone.
    page.rip = 0x8000;
    monitor.exit(0, ExitReason::NestedFault, 0xfee000f0, 2);
    EXPECT_EQ(monitor.log.lines.size(), 1u);
}

TEST(MachineTest, EndsWithItsStateInTheLog) {
    Hardware hardware;
    Monitor monitor{hardware};
    monitor.exit(0, ExitReason::Startup);
    const ExitReply reply = monitor.exit(0, ExitReason::TripleFault);
    EXPECT_TRUE(Monitor::has(reply, ReplyFlag::ParkUntilRecall));
    EXPECT_TRUE(monitor.machine.ended());
    EXPECT_EQ(monitor.machine.end_reason(), MachineEnd::TripleFault);
    EXPECT_EQ(monitor.outside.count(Kind::EndMachine), 1u);
    EXPECT_NE(std::string{monitor.machine.end_line()}.find("triple fault"), std::string::npos);
    EXPECT_GT(monitor.log.lines.size(), 5u);
    EXPECT_TRUE(Monitor::has(monitor.exit(1, ExitReason::Recall), ReplyFlag::ParkUntilRecall));
}

TEST(MachineTest, ThirdDeathOverAnExitEndsTheMachine) {
    Hardware hardware;
    Monitor monitor{hardware};
    monitor.exit(0, ExitReason::Startup);
    hardware.pages[0].rax = 0x4711;
    for (const ExitReason reason : {ExitReason::Cpuid, ExitReason::PortWrite}) {
        const uint32_t label = static_cast<uint32_t>(reason) | 2 << 8;
        monitor.handlers[0]->handle({.label = label, .sequence = ++monitor.sequence, .r8 = byte_port(0x80), .deaths = 2});
        EXPECT_FALSE(monitor.machine.ended());
    }
    const ExitReply reply = monitor.handlers[0]->handle(
        {.label = static_cast<uint32_t>(ExitReason::Cpuid) | 2 << 8, .sequence = ++monitor.sequence, .rip = 0x1234, .deaths = 3});
    EXPECT_TRUE(Monitor::has(reply, ReplyFlag::ParkUntilRecall));
    EXPECT_TRUE(monitor.machine.ended());
    EXPECT_EQ(monitor.machine.end_reason(), MachineEnd::Broken);
    EXPECT_TRUE(std::ranges::any_of(monitor.log.lines, [](const std::string& line) { return line.find("4711") != std::string::npos; }));
}

TEST(MachineTest, PowerOffByAcpi) {
    Hardware hardware;
    Monitor monitor{hardware};
    monitor.exit(0, ExitReason::Startup);
    monitor.exit(0, ExitReason::PortWrite, byte_port(0x600), 5 << 2 | 1 << 5);
    EXPECT_EQ(monitor.machine.end_reason(), MachineEnd::PowerOff);
}

TEST(MachineTest, ASuccessorRepliesWhatWasCommitted) {
    Hardware hardware;
    ExitReply first;
    {
        Monitor monitor{hardware};
        monitor.exit(0, ExitReason::Startup);
        monitor.exit(0, ExitReason::PortWrite, byte_port(0x3fc), 8);
        monitor.exit(0, ExitReason::PortWrite, byte_port(0x3f9), 2);
        first = monitor.exit(0, ExitReason::PortRead, byte_port(0x3fa));  // clears the interrupt it reports
        EXPECT_EQ(first.r8, 2u);
    }
    Monitor successor{hardware};
    const ExitReply second = successor.again(0, ExitReason::PortRead, 4, byte_port(0x3fa));
    EXPECT_EQ(second.r8, 2u);  // as recorded
    EXPECT_EQ(successor.again(0, ExitReason::PortRead, 5, byte_port(0x3fa)).r8, 1u);
}

TEST(MachineTest, ASuccessorUndoesWhatWasNotCommitted) {
    Hardware hardware;
    {
        Monitor monitor{hardware};
        monitor.exit(0, ExitReason::Startup);
        // Dies in the middle of an exit that prints.
        monitor.machine.begin(monitor.machine.vcpu(0).journal, 2);
        monitor.machine.ports().write(0x3f8, 1, 'x');
        EXPECT_EQ(hardware.state->uart.sent, 1u);
    }
    Monitor successor{hardware};
    EXPECT_EQ(hardware.state->uart.sent, 0u);
    successor.again(0, ExitReason::PortWrite, 2, byte_port(0x3f8), 'x');
    EXPECT_EQ(hardware.state->uart.sent, 1u);
    EXPECT_EQ(hardware.state->uart_output.bytes[0], 'x');
}

TEST(MachineTest, ASuccessorRepeatsEffects) {
    Hardware hardware;
    {
        Monitor monitor{hardware};
        monitor.exit(0, ExitReason::Startup);
        monitor.exit(0, ExitReason::MsrWrite, 0x1b, 0xfee00d00);
        monitor.exit(0, ExitReason::MsrWrite, 0x80f, 0x1ff);
        monitor.exit(0, ExitReason::MsrWrite, 0x830, 0x40 | 1 << 18);
        EXPECT_EQ(monitor.outside.count(Kind::PostFixed), 1u);
    }
    Monitor successor{hardware};
    successor.again(0, ExitReason::MsrWrite, 4, 0x830, 0x40 | 1 << 18);
    EXPECT_EQ(successor.outside.count(Kind::PostFixed), 1u);
}

TEST(MachineTest, PeriodicTimerOfTheServiceThread) {
    Hardware hardware;
    Monitor monitor{hardware};
    monitor.exit(0, ExitReason::Startup);
    monitor.exit(0, ExitReason::MsrWrite, 0x1b, 0xfee00d00);
    monitor.exit(0, ExitReason::MsrWrite, 0x80f, 0x1ff);
    monitor.exit(0, ExitReason::MsrWrite, 0x832, 1u << 17 | 0x30);
    monitor.exit(0, ExitReason::MsrWrite, 0x838, 1'000'000);
    EXPECT_EQ(monitor.outside.count(Kind::ServiceWake), 1u);
    hardware.time.now += 10'000'000'000;
    uint64_t next = 0;
    monitor.machine.service([&] { next = monitor.machine.periodic_ticks(hardware.time.now); });
    EXPECT_EQ(monitor.outside.count(Kind::PostFixed), 1u);
    EXPECT_GT(next, hardware.time.now);
    EXPECT_NE(next, no_timer);
}

TEST(MachineTest, GarbageExits) {
    std::mt19937_64 random{12};
    Hardware hardware;
    auto monitor = std::make_unique<Monitor>(hardware);
    uint64_t sequence = 0;
    for (int round = 0; round < 60000; ++round) {
        if (round % 5000 == 0) {
            monitor.reset();
            *hardware.state = DeviceMemory{};
            monitor = std::make_unique<Monitor>(hardware);
            sequence = 0;
        }
        const auto reason = static_cast<uint32_t>(random() % (static_cast<unsigned>(ExitReason::Count) + 2));
        for (abi::VcpuStatePage& page : hardware.pages) {
            page.cr0 = 1;
            page.cs.access = 0xc09b;
            page.rip = random() % 0x9000;
            page.rbx = random() % 4 != 0 ? 0xfec00000 + (random() & 0x50) : random();
        }
        const uint64_t r8 = random() >> random() % 64;
        const unsigned vcpu = static_cast<unsigned>(random() % 2);
        hardware.ram.put_bytes(0x8000 + (random() & 0xff), {static_cast<uint8_t>(random()), static_cast<uint8_t>(random())});
        (void)monitor->handlers[vcpu]->handle({.label = reason | 2 << 8, .sequence = ++sequence, .r8 = r8, .r9 = random() >> random() % 64, .r10 = random()});
        EXPECT_FALSE(monitor->lock.held);
    }
}

}  // namespace
}  // namespace bulkhead::vmm
