// SPDX-License-Identifier: Apache-2.0
#include "vmm/arch/x86/local_apic.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>

#include "fakes.hpp"
#include "vmm/vm/interrupt_fabric.hpp"

namespace bulkhead::vmm {
namespace {

using Kind = Effect::Kind;

/// Two vCPUs and an IOAPIC.
struct ApicTest : testing::Test {
    struct Cpu {
        Cpu(unsigned index, ApicTest& test)
            : apic{index, state, test.slot, VirtualApicPage{page.data()}, test.fabric, test.outside, test.time},
              lifecycle{lifecycle_state, test.slot} {
            apic.power_on(index == 0);
            lifecycle.power_on();
            lifecycle.first_exit(index == 0);
        }
        LocalApicState state{};
        VcpuLifecycleState lifecycle_state{};
        std::array<volatile uint32_t, 1024> page{};
        LocalApic apic;
        VcpuLifecycle lifecycle;
    };
    ApicTest() {
        ioapic.reset();
        fabric.set_ioapic(ioapic);
        for (unsigned index = 0; index < 2; ++index) {
            cpus.push_back(std::make_unique<Cpu>(index, *this));
            EXPECT_TRUE(fabric.add(cpus[index]->apic, cpus[index]->lifecycle));
        }
        outside.effects.clear();
        (void)apic(0).take_timer_change();
        (void)apic(0).take_page_change();
    }
    LocalApic& apic(unsigned index) { return cpus[index]->apic; }
    void enable_x2apic() {
        for (auto& cpu : cpus) {
            EXPECT_TRUE(cpu->apic.write_msr(0x1b, 0xfee00c00, 0));
            EXPECT_TRUE(cpu->apic.write_msr(0x80f, 0x1ff, 0));
        }
    }
    void write(uint32_t msr, uint64_t value) { EXPECT_TRUE(apic(0).write_msr(msr, value, 0)) << std::hex << msr; }
    uint64_t read(uint32_t msr) { return apic(0).read_msr(msr).value(); }

    JournalSlot slot;
    test::FakeOutside outside;
    test::FakeTime time;
    InterruptFabric fabric{outside};
    IoapicState ioapic_state{};
    Ioapic ioapic{ioapic_state, slot, fabric};
    std::vector<std::unique_ptr<Cpu>> cpus;
};

TEST_F(ApicTest, ModeTransitions) {
    EXPECT_EQ(read(0x1b), 0xfee00900u);
    EXPECT_FALSE(apic(0).read_msr(0x802));
    EXPECT_FALSE(apic(0).write_msr(0x1b, 0xfee00400, 0));
    EXPECT_FALSE(apic(0).write_msr(0x1b, 0xfed00800, 0));
    EXPECT_FALSE(apic(0).write_msr(0x1b, 0x100fee00800, 0));
    enable_x2apic();
    EXPECT_EQ(apic(1).read_msr(0x802).value(), 1u);
    EXPECT_EQ(apic(1).read_msr(0x80d).value(), 2u);
    EXPECT_FALSE(apic(0).write_msr(0x1b, 0xfee00800, 0));
    write(0x1b, 0xfee00000);
    EXPECT_FALSE(apic(0).enabled());
    EXPECT_FALSE(apic(0).write_msr(0x1b, 0xfee00c00, 0));
    write(0x1b, 0xfee00800);
    EXPECT_EQ(read(0x1b), 0xfee00900u);
}

TEST_F(ApicTest, X2apicRegisters) {
    enable_x2apic();
    EXPECT_EQ(read(0x803), 0x50014u);
    EXPECT_EQ(read(0x832), 0x10000u);
    for (uint32_t forbidden : {0x80bu, 0x83fu, 0x80eu, 0x831u, 0x82fu, 0x804u, 0x83au}) {
        EXPECT_FALSE(apic(0).read_msr(forbidden)) << std::hex << forbidden;
    }
    for (uint32_t forbidden : {0x802u, 0x803u, 0x80du, 0x810u, 0x820u, 0x839u, 0x82fu}) {
        EXPECT_FALSE(apic(0).write_msr(forbidden, 0, 0)) << std::hex << forbidden;
    }
    EXPECT_FALSE(apic(0).write_msr(0x80f, 0x1'0000'0000, 0));
    EXPECT_FALSE(apic(0).write_msr(0x828, 1, 0));
}

TEST_F(ApicTest, InterProcessorInterrupts) {
    enable_x2apic();
    write(0x830, uint64_t{1} << 32 | 0xfd);
    ASSERT_EQ(outside.effects.size(), 1u);
    EXPECT_EQ(outside.effects[0].vcpu, 1);
    EXPECT_EQ(outside.effects[0].vector, 0xfd);
    write(0x830, uint64_t{3} << 32 | 1 << 11 | 0xfc);  // logical: both
    EXPECT_EQ(outside.count(Kind::PostFixed), 3u);
    write(0x830, 3u << 18 | 0xfb);
    EXPECT_EQ(outside.effects.back().vcpu, 1);
    write(0x830, 1u << 18 | 0xfb);
    EXPECT_EQ(outside.effects.back().vcpu, 0);
    write(0x83f, 0x40);
    EXPECT_EQ(outside.effects.back().vector, 0x40);
    write(0x830, uint64_t{0xffffffff} << 32 | 4 << 8);
    EXPECT_EQ(outside.count(Kind::PostNmi), 2u);
    outside.effects.clear();
    write(0x830, uint64_t{1} << 32 | 5);  // illegal vector
    write(0x830, uint64_t{77} << 32 | 0x50);
    EXPECT_TRUE(outside.effects.empty());
    write(0x828, 0);
    EXPECT_EQ(read(0x828), 0x20u);
}

TEST_F(ApicTest, InitAndStartUp) {
    enable_x2apic();
    EXPECT_EQ(cpus[1]->lifecycle.take_action(), LifecycleAction::Park);
    write(0x830, uint64_t{1} << 32 | 6 << 8 | 0x9a);  // AP waits for SIPI from power-on
    EXPECT_EQ(outside.count(Kind::Recall), 1u);
    EXPECT_EQ(cpus[1]->lifecycle.take_action(), LifecycleAction::Start);
    EXPECT_EQ(cpus[1]->lifecycle.start_vector(), 0x9a);
    write(0x830, uint64_t{1} << 32 | 6 << 8 | 0x9a);
    EXPECT_EQ(outside.count(Kind::Recall), 1u);  // the second SIPI is ignored
    write(0x830, uint64_t{1} << 32 | 5 << 8 | 1 << 14 | 1 << 15);
    write(0x830, uint64_t{1} << 32 | 5 << 8 | 1 << 15);  // de-assert
    EXPECT_EQ(outside.count(Kind::Recall), 2u);
    write(0x830, uint64_t{1} << 32 | 6 << 8 | 0x12);
    EXPECT_EQ(cpus[1]->lifecycle.take_action(), LifecycleAction::ResetAndStart);
    EXPECT_EQ(cpus[1]->lifecycle.take_action(), LifecycleAction::None);
    write(0x830, uint64_t{1} << 32 | 5 << 8 | 1 << 14);
    EXPECT_EQ(cpus[1]->lifecycle.take_action(), LifecycleAction::Reset);
    EXPECT_EQ(cpus[1]->lifecycle.take_action(), LifecycleAction::Park);
}

TEST_F(ApicTest, DeadlineTimer) {
    enable_x2apic();
    write(0x6e0, 5'000'000);  // not in deadline mode: ignored
    EXPECT_EQ(read(0x6e0), 0u);
    write(0x832, 2u << 17 | 0xec);
    EXPECT_EQ(apic(0).deadline_vector(), 0xec);
    (void)apic(0).take_timer_change();
    EXPECT_TRUE(apic(0).write_msr(0x6e0, 5'000'000, 1000));
    const auto setting = apic(0).take_timer_change();
    ASSERT_TRUE(setting);
    EXPECT_EQ(setting->deadline_tsc, 4'999'000u);
    EXPECT_EQ(setting->vector, 0xec);
    write(0x832, 2u << 17 | 1 << 16 | 0xec);
    EXPECT_EQ(apic(0).take_timer_change()->deadline_tsc, no_timer);
    EXPECT_EQ(apic(0).deadline_vector(), 0);
}

TEST_F(ApicTest, CountingTimer) {
    enable_x2apic();
    write(0x83e, 0xb);  // divide by 1: a nanosecond, two ticks
    write(0x832, 0x40);
    write(0x838, 1000);
    const auto setting = apic(0).take_timer_change();
    ASSERT_TRUE(setting);
    EXPECT_EQ(setting->deadline_tsc, time.now + 2000);
    time.now += 500;
    EXPECT_EQ(read(0x839), 750u);
    time.now += 5000;
    EXPECT_EQ(read(0x839), 0u);
    write(0x832, 1u << 17 | 0x41);
    write(0x838, 1'000'000);
    EXPECT_EQ(apic(0).next_periodic_tick(), time.now + 2'000'000);
    time.now += 2'000'000;
    outside.effects.clear();
    apic(0).periodic_tick(time.now);
    apic(0).periodic_tick(time.now);
    ASSERT_EQ(outside.effects.size(), 1u);
    EXPECT_EQ(outside.effects[0].vector, 0x41);
    write(0x838, 1);  // far too fast: bounded
    EXPECT_GE(apic(0).next_periodic_tick(), time.now + 100'000);
    write(0x838, 0);
    EXPECT_EQ(apic(0).next_periodic_tick(), no_timer);
}

TEST_F(ApicTest, XapicPageAndEoi) {
    apic(0).write_page(0xf0, 0x1ff, 0);
    EXPECT_EQ(apic(1).read_page(0x20), 1u << 24);
    apic(0).write_page(0xd0, 0x01000000, 0);
    EXPECT_TRUE(apic(0).matches(3, true, false));
    EXPECT_FALSE(apic(0).matches(2, true, false));
    // A level interrupt in service.
    ioapic.write(0, 4, 0x10 + 32);
    ioapic.write(0x10, 4, 0x8000 | 0x61);
    ioapic.set_line(16, true);
    EXPECT_EQ(outside.count(Kind::PostFixedLevel), 1u);
    cpus[0]->page[(0x100 + 0x30) / 4] = 2;
    cpus[0]->page[(0x180 + 0x30) / 4] = 2;
    apic(0).write_page(0xb0, 0, 0);
    EXPECT_EQ(outside.count(Kind::PostFixedLevel), 2u);
    EXPECT_EQ(outside.count(Kind::ClearInService), 1u);
    apic(0).clear_in_service(0x61);
    EXPECT_EQ(cpus[0]->page[(0x100 + 0x30) / 4], 0u);
    EXPECT_TRUE(apic(0).take_page_change());
    apic(0).write_page(0x80, 0x30, 0);
    EXPECT_EQ(apic(0).read_page(0x80), 0x30u);
    apic(0).write_page(0x310, 1u << 24, 0);
    apic(1).write_page(0xf0, 0x1ff, 0);
    apic(0).write_page(0x300, 0x77, 0);
    EXPECT_EQ(outside.effects.back().vcpu, 1);
}

TEST_F(ApicTest, MessagesFromDevices) {
    enable_x2apic();
    fabric.send_message(0xfee01000, 0x45);
    EXPECT_EQ(outside.effects.back().vcpu, 1);
    fabric.send_message(0xfee01000, 0x05);
    fabric.send_message(0xfed01000, 0x45);
    EXPECT_EQ(outside.effects.size(), 1u);
    fabric.send_message(0xfeeff000, 0x145);  // lowest priority, to all: one takes it
    EXPECT_EQ(outside.effects.size(), 2u);
}

TEST_F(ApicTest, Garbage) {
    std::mt19937_64 random{9};
    for (int i = 0; i < 200000; ++i) {
        LocalApic& target = apic(random() % 2);
        switch (random() % 5) {
            case 0: (void)target.write_msr(0x800 + static_cast<uint32_t>(random() % 0x40), random() >> random() % 64, random()); break;
            case 1: (void)target.read_msr(0x800 + static_cast<uint32_t>(random() % 0x40)); break;
            case 2: target.write_page(static_cast<unsigned>(random() % 256) * 16, static_cast<uint32_t>(random()), random()); break;
            case 3: (void)target.read_page(static_cast<unsigned>(random() % 256) * 16); break;
            default: (void)target.write_msr(random() % 2 != 0 ? 0x1b : 0x6e0, random() % 2 != 0 ? 0xfee00000 | (random() % 4) << 10 : random(), 0);
        }
        time.now += random() % 10000;
        target.periodic_tick(time.now);
        if (random() % 64 == 0) outside.effects.clear();
    }
}

}  // namespace
}  // namespace bulkhead::vmm
