// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>

#include "fakes.hpp"
#include "vmm/device/pci/bus.hpp"
#include "vmm/device/pci/msix.hpp"

namespace bulkhead::vmm {
namespace {

struct Card final : PciFunction, PortDevice {
    Card(PciConfigState& state, MsixState& msix_state, JournalSlot& slot, MessageInterrupts& messages)
        : PciFunction{state, slot}, msix{msix_state, slot, *this, 3, messages} {
        msix.attach(1);
        add_bar(0, BarKind::Io, 64, this, nullptr);
        reset_config({.vendor = 0x1af4, .device = 0x1042, .class_code = 0x018000});
        msix.reset(1);
    }
    uint32_t read_port(uint16_t offset, unsigned) override { return 0x100u + offset; }
    void write_port(uint16_t offset, unsigned, uint32_t value) override { written = offset << 16 | value; }
    void config_written(unsigned, unsigned) override { msix.config_written(); }
    Msix msix;
    uint32_t written = 0;
};

struct PciTest : testing::Test {
    PciTest() {
        bridge.reset();
        EXPECT_TRUE(bus.add(0, bridge));
        EXPECT_TRUE(bus.add(3, card));
        EXPECT_FALSE(bus.add(3, card));
        EXPECT_FALSE(bus.add(32, card));
    }
    uint64_t read(unsigned device, unsigned offset, unsigned size) { return bus.read(device << 15 | offset, size); }
    void write(unsigned device, unsigned offset, unsigned size, uint64_t value) { bus.write(device << 15 | offset, size, value); }

    JournalSlot slot;
    PciConfigState bridge_state{}, card_state{};
    MsixState msix_state{};
    test::FakeMessages messages;
    HostBridge bridge{bridge_state, slot};
    Card card{card_state, msix_state, slot, messages};
    PciBus bus;
};

TEST_F(PciTest, Enumeration) {
    EXPECT_EQ(read(0, 0, 4), 0x00081b36u);
    EXPECT_EQ(read(0, 8, 4), 0x06000000u);
    EXPECT_EQ(read(3, 0, 4), 0x10421af4u);
    EXPECT_EQ(read(1, 0, 4), 0xffffffffu);
    EXPECT_EQ(bus.read(3 << 15 | 1 << 12, 4), 0xffffffffu);  // function 1
    EXPECT_EQ(read(3, 0x100, 4), 0u);
    EXPECT_EQ(read(3, 2, 4), 0xffffffffu);  // not aligned
    write(3, 0, 4, 0);
    EXPECT_EQ(read(3, 0, 4), 0x10421af4u);
    EXPECT_EQ(read(3, 6, 2) & 0x10, 0x10u);
    const auto capability = static_cast<unsigned>(read(3, 0x34, 1));
    EXPECT_EQ(read(3, capability, 2), 0x0011u);
    EXPECT_EQ(read(3, capability + 2, 2), 2u);
}

TEST_F(PciTest, BarSizingAndAccess) {
    write(3, 0x10, 4, 0xffffffff);
    EXPECT_EQ(read(3, 0x10, 4), 0xffffffc1u);
    write(3, 0x10, 4, 0x2000);
    write(3, 0x14, 4, 0xffffffff);
    EXPECT_EQ(read(3, 0x14, 4), 0xfffff000u);
    write(3, 0x14, 4, 0xc0001000);
    EXPECT_EQ(bus.read_port(0x1004, 2), 0xffffu);  // not enabled yet
    write(3, 4, 2, 0xffff);
    EXPECT_EQ(read(3, 4, 2), 0x0407u);
    EXPECT_EQ(bus.read_port(0x1004, 2), 0x104u);
    bus.write_port(0x103e, 2, 7);
    EXPECT_EQ(card.written, 0x3e0007u);
    EXPECT_EQ(bus.read_port(0x103f, 2), 0xffffu);  // crosses its end
    EXPECT_EQ(bus.find_mmio(GuestPhysicalAddress{0xc0001ffc}, 4).offset, 0xffcu);
    EXPECT_EQ(bus.find_mmio(GuestPhysicalAddress{0xc0001ffe}, 4).device, nullptr);
}

TEST_F(PciTest, MsixMasksAndKeeps) {
    const auto capability = static_cast<unsigned>(read(3, 0x34, 1));
    card.msix.fire(0);
    EXPECT_TRUE(messages.sent.empty());
    write(3, 4, 2, 6);
    write(3, capability + 2, 2, 0x8000);
    card.msix.write(16, 8, 0xfee01000);
    card.msix.write(24, 4, 0x55);
    card.msix.fire(1);
    EXPECT_TRUE(messages.sent.empty());
    EXPECT_EQ(card.msix.read(Msix::pending_offset, 8), 2u);
    card.msix.write(28, 4, 0);
    ASSERT_EQ(messages.sent.size(), 1u);
    EXPECT_EQ(messages.sent[0], std::make_pair(uint64_t{0xfee01000}, uint32_t{0x55}));
    write(3, capability + 2, 2, 0xc000);
    card.msix.fire(1);
    EXPECT_EQ(messages.sent.size(), 1u);
    write(3, capability + 2, 2, 0x8000);
    EXPECT_EQ(messages.sent.size(), 2u);
    card.msix.fire(99);
}

TEST_F(PciTest, Garbage) {
    std::mt19937_64 random{8};
    for (int i = 0; i < 100000; ++i) {
        bus.write(random() % PciBus::ecam_bytes, 1u << random() % 4, random());
        (void)bus.read(random() % PciBus::ecam_bytes, 1u << random() % 4);
        write(3, static_cast<unsigned>(random() % 256), 1u << random() % 3, random());
        card.msix.write(random() % 4096, 1u << random() % 4, random());
        (void)card.msix.read(random() % 4096, 1u << random() % 4);
        (void)bus.read_port(static_cast<uint16_t>(random()), 1u << random() % 3);
        (void)bus.find_mmio(GuestPhysicalAddress{random()}, 8);
        card.msix.fire(static_cast<unsigned>(random() % 5));
    }
    EXPECT_EQ(read(3, 0, 4), 0x10421af4u);
}

}  // namespace
}  // namespace bulkhead::vmm
