// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/virtual_apic.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

namespace bulkhead::kernel {
namespace {

using Register = VirtualApic::Register;

class VirtualApicTest : public testing::Test {
  protected:
    alignas(4096) std::array<uint8_t, 4096> page{};
    VirtualApic apic{page.data()};

    /// As the kernel posts (Vcpu::request).
    void post(uint8_t vector, bool level) {
        static_cast<void>(apic.set_level(vector, level));
        apic.request(vector);
    }
};

TEST_F(VirtualApicTest, EmptyPageDeliversNothing) {
    EXPECT_FALSE(apic.deliverable());
    EXPECT_FALSE(apic.held_by_task_priority());
    EXPECT_FALSE(apic.end_of_interrupt());
    EXPECT_EQ(apic.processor_priority(), 0);
    EXPECT_FALSE(apic.highest(Register::Irr));
}

TEST_F(VirtualApicTest, LayoutIsThatOfTheHardware) {
    post(0x41, false);
    EXPECT_EQ(page[0x200 + 2 * 16], 1u << 1);  // vector 65: third register of IRR, bit 1
    apic.accept(0x41);
    EXPECT_EQ(page[0x200 + 2 * 16], 0);
    EXPECT_EQ(page[0x100 + 2 * 16], 1u << 1);
    apic.set_task_priority(0x30);
    EXPECT_EQ(page[0x80], 0x30);
}

TEST_F(VirtualApicTest, EveryVectorFindsItsPlace) {
    for (unsigned vector = 16; vector < 256; ++vector) {
        post(static_cast<uint8_t>(vector), vector % 3 == 0);
        EXPECT_EQ(apic.highest(Register::Irr), vector);
    }
    for (unsigned vector = 255; vector >= 16; --vector) {
        ASSERT_EQ(apic.deliverable(), vector);
        apic.accept(static_cast<uint8_t>(vector));
        EXPECT_FALSE(apic.deliverable());
        const auto ended = apic.end_of_interrupt();
        ASSERT_TRUE(ended);
        EXPECT_EQ(ended->vector, vector);
        EXPECT_EQ(ended->level, vector % 3 == 0);
    }
}

TEST_F(VirtualApicTest, TellsWhenAVectorChangesItsKind) {
    EXPECT_FALSE(apic.set_level(0x41, false));
    EXPECT_TRUE(apic.set_level(0x41, true));
    EXPECT_FALSE(apic.set_level(0x41, true));
    EXPECT_EQ(apic.level_vectors(1), 1u << 1);
    EXPECT_FALSE(apic.set_level(0x42, false));
    EXPECT_TRUE(apic.set_level(0x41, false));
    EXPECT_EQ(apic.level_vectors(1), 0u);
    EXPECT_FALSE(apic.highest(Register::Irr)) << "the kind alone requests nothing";
}

TEST_F(VirtualApicTest, HigherClassInterruptsLower) {
    post(0x45, false);
    apic.accept(0x45);
    post(0x4f, false);
    EXPECT_FALSE(apic.deliverable()) << "same class";
    post(0x50, false);
    EXPECT_EQ(apic.deliverable(), 0x50);
    apic.accept(0x50);
    EXPECT_EQ(apic.processor_priority(), 0x50);
    EXPECT_EQ(apic.end_of_interrupt()->vector, 0x50);
    EXPECT_EQ(apic.end_of_interrupt()->vector, 0x45);
    EXPECT_EQ(apic.deliverable(), 0x4f);
}

TEST_F(VirtualApicTest, TaskPriorityHoldsBack) {
    apic.set_task_priority(0x55);
    post(0x5f, false);
    EXPECT_FALSE(apic.deliverable());
    EXPECT_EQ(apic.held_by_task_priority(), 0x5f);
    EXPECT_EQ(apic.processor_priority(), 0x55);
    apic.set_task_priority(0x4f);
    EXPECT_EQ(apic.deliverable(), 0x5f);
    EXPECT_FALSE(apic.held_by_task_priority());
}

TEST_F(VirtualApicTest, WhatServiceHoldsBackIsNotHeldByTaskPriority) {
    post(0x61, false);
    apic.accept(0x61);
    apic.set_task_priority(0x50);
    post(0x5f, false);
    EXPECT_FALSE(apic.held_by_task_priority());
}

TEST_F(VirtualApicTest, EdgeAfterLevelClearsTheTriggerMode) {
    post(0x61, true);
    EXPECT_EQ(apic.level_vectors(1), uint64_t{1} << (0x61 - 64));
    post(0x61, false);
    EXPECT_EQ(apic.level_vectors(1), 0u);
}

TEST_F(VirtualApicTest, ReadsOnlyItsHalf) {
    apic.set_task_priority(0x20);
    post(0x90, false);
    EXPECT_EQ(apic.read(0x08), 0x20u);
    EXPECT_EQ(apic.read(0x0a), 0x20u);
    EXPECT_EQ(apic.read(0x24), 1u << 16);
    EXPECT_FALSE(apic.read(0x02)) << "the ID is the monitor's";
    EXPECT_FALSE(apic.read(0x28));
    EXPECT_FALSE(apic.read(0x30));
}

TEST_F(VirtualApicTest, PostsOfSeveralCpusAreAllKept) {
    const auto poster = [this](unsigned first) {
        for (unsigned vector = first; vector < 256; vector += 2) post(static_cast<uint8_t>(vector), false);
    };
    std::thread even{poster, 16}, odd{poster, 17};
    even.join();
    odd.join();
    for (unsigned vector = 255; vector >= 16; --vector) {
        ASSERT_EQ(apic.highest(Register::Irr), vector);
        apic.accept(static_cast<uint8_t>(vector));
    }
}

}  // namespace
}  // namespace bulkhead::kernel
