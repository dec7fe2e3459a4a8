// SPDX-License-Identifier: Apache-2.0
// RTC, IOAPIC, power and port map.
#include <gtest/gtest.h>

#include <random>

#include "fakes.hpp"
#include "vmm/device/legacy/ioapic.hpp"
#include "vmm/device/legacy/power.hpp"
#include "vmm/device/legacy/rtc.hpp"
#include "vmm/device/port_map.hpp"

namespace bulkhead::vmm {
namespace {

TEST(Rtc, TellsTheTimeInBothFormats) {
    RtcState state{};
    JournalSlot slot;
    test::FakeTime time;
    time.wall_ns = 951826554'000'000'000;
    Rtc rtc{state, slot, time};
    rtc.reset();
    const auto read = [&](unsigned index) {
        rtc.write_port(0, 1, index | 0x80);
        return rtc.read_port(1, 1);
    };
    EXPECT_EQ(read(0), 0x54u);
    EXPECT_EQ(read(4), 0x12u);
    EXPECT_EQ(read(7), 0x29u);
    EXPECT_EQ(read(9), 0x00u);
    EXPECT_EQ(read(50), 0x20u);
    EXPECT_EQ(read(10) & 0x80, 0u);
    EXPECT_EQ(read(13), 0x80u);
    rtc.write_port(0, 1, 11);
    rtc.write_port(1, 1, 0xff);
    EXPECT_EQ(read(0), 54u);
    EXPECT_EQ(rtc.read_port(1, 4), 0xffffffffu);
    for (unsigned i = 0; i < 256; ++i) {
        rtc.write_port(0, 1, i);
        rtc.write_port(1, 1, i);
        (void)rtc.read_port(1, 1);
    }
}

struct IoapicTest : testing::Test {
    IoapicTest() { ioapic.reset(); }
    void set(unsigned index, uint32_t value) {
        ioapic.write(0x00, 4, index);
        ioapic.write(0x10, 4, value);
    }
    uint32_t get(unsigned index) {
        ioapic.write(0x00, 4, index);
        return static_cast<uint32_t>(ioapic.read(0x10, 4));
    }
    IoapicState state{};
    JournalSlot slot;
    test::FakeRouter router;
    Ioapic ioapic{state, slot, router};
};

TEST_F(IoapicTest, Identity) {
    EXPECT_EQ(get(1), 0x170020u);
    set(0, 0xffffffff);
    EXPECT_EQ(get(0), 0x0f000000u);
    EXPECT_EQ(get(0x10), 0x10000u);
    EXPECT_EQ(get(0x40), 0u);
    EXPECT_EQ(ioapic.read(0x10, 8), ~uint64_t{0});
}

TEST_F(IoapicTest, EdgesAreKeptWhileMasked) {
    ioapic.set_line(4, true);
    ioapic.set_line(4, false);
    EXPECT_TRUE(router.messages.empty());
    set(0x10 + 9, 1u << 24);
    set(0x10 + 8, 0x31);
    ASSERT_EQ(router.messages.size(), 1u);
    EXPECT_EQ(router.messages[0].vector, 0x31);
    EXPECT_EQ(router.messages[0].destination, 1u);
    EXPECT_FALSE(router.messages[0].level);
    ioapic.set_line(4, true);
    ioapic.set_line(4, true);
    EXPECT_EQ(router.messages.size(), 2u);
}

TEST_F(IoapicTest, LevelsComeAgainAtTheirEnd) {
    set(0x10 + 32, 0x8000 | 0x41);
    ioapic.set_line(16, true);
    EXPECT_EQ(router.messages.size(), 1u);
    EXPECT_TRUE(router.messages[0].level);
    EXPECT_EQ(get(0x10 + 32), 0xc041u);
    ioapic.end_of_interrupt(0x42);
    EXPECT_EQ(router.messages.size(), 1u);
    ioapic.end_of_interrupt(0x41);
    EXPECT_EQ(router.messages.size(), 2u);
    ioapic.set_line(16, false);
    ioapic.write(0x40, 4, 0x41);
    EXPECT_EQ(router.messages.size(), 2u);
    EXPECT_EQ(get(0x10 + 32), 0x8041u);
}

TEST_F(IoapicTest, Garbage) {
    std::mt19937_64 random{6};
    for (int i = 0; i < 100000; ++i) {
        ioapic.write(random() % 0x50, 1u << random() % 4, random());
        (void)ioapic.read(random() % 0x50, 1u << random() % 4);
        ioapic.set_line(static_cast<unsigned>(random() % 40), random() % 2 != 0);
        ioapic.end_of_interrupt(static_cast<uint8_t>(random()));
    }
}

TEST(Power, SleepResetAndButton) {
    PowerState state{};
    JournalSlot slot;
    test::FakeLines lines;
    test::FakeOutside outside;
    Power power{state, slot, lines, 16, outside};
    SleepPorts ports{power};
    ports.write_port(0, 1, 3 << 2 | 1 << 5);  // some other state
    EXPECT_TRUE(outside.effects.empty());
    ports.write_port(0, 1, 5 << 2 | 1 << 5);
    ASSERT_EQ(outside.effects.size(), 1u);
    EXPECT_EQ(outside.effects[0].vector, static_cast<uint8_t>(MachineEnd::PowerOff));
    PowerPort reset{power, PowerPorts::reset_control};
    reset.write_port(0, 1, 2);
    EXPECT_EQ(outside.effects.size(), 1u);
    reset.write_port(0, 1, 6);
    ASSERT_EQ(outside.effects.size(), 2u);
    EXPECT_EQ(outside.effects[1].vector, static_cast<uint8_t>(MachineEnd::Reset));
    power.press_button();
    EXPECT_TRUE(lines.levels[16]);
    EXPECT_EQ(ports.read_port(4, 4), 1u);
    ports.write_port(4, 4, 1);
    EXPECT_FALSE(lines.levels[16]);
    PowerPort post{power, PowerPorts::post};
    post.write_port(0, 1, 0x42);
    EXPECT_EQ(post.read_port(0, 1), 0x42u);
}

TEST(PortMap, FallsBackAndNamesOnce) {
    test::FakeLog log;
    PortMap map{log};
    PowerState state{};
    JournalSlot slot;
    test::FakeLines lines;
    test::FakeOutside outside;
    Power power{state, slot, lines, 16, outside};
    SleepPorts ports{power};
    EXPECT_TRUE(map.add(0x600, 8, ports));
    EXPECT_FALSE(map.add(0x607, 1, ports));
    EXPECT_FALSE(map.add(0xffff, 2, ports));
    EXPECT_TRUE(map.ignore(0x80, 1));
    EXPECT_EQ(map.read(0x600, 1), 0u);
    EXPECT_EQ(map.read(0x605, 4), 0xffffffffu);  // beyond the device's end
    EXPECT_EQ(map.read(0x80, 1), 0xffu);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(map.read(0x3d4, 2), 0xffffu);
    map.write(0x3d4, 2, 1);
    EXPECT_EQ(log.lines.size(), 3u);
    EXPECT_EQ(map.unknown_accesses(), 7u);
    for (unsigned port = 0; port < 0x10000; ++port) (void)map.read(static_cast<uint16_t>(port), 1);
    EXPECT_LT(log.lines.size(), 130u);
}

}  // namespace
}  // namespace bulkhead::vmm
