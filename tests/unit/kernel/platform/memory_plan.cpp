// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/memory_plan.hpp"

#include <gtest/gtest.h>

#include <array>

namespace bulkhead::kernel {
namespace {

constexpr uint64_t mib = 1u << 20, gib = 1u << 30;
const Range image = *Range::create(1 * mib, 2 * mib);
const std::array controllers{*Range::create(0xfee0'0000, 0x1000), *Range::create(0xfec0'0000, 0x1000)};

MultibootInformation machine(uint64_t low_end, uint64_t high_bytes = 0) {
    MultibootInformation m;
    m.available.add(*Range::create(0, 0x9f000));
    m.available.add(*Range::create(1 * mib, low_end - mib));
    if (high_bytes != 0) m.available.add(*Range::create(4 * gib, high_bytes));
    return m;
}

bool any_overlaps(const BootRegions& regions, const Range& range) {
    return std::any_of(regions.begin(), regions.end(), [&](const Range& r) { return r.overlaps(range); });
}

TEST(MemoryPlan, PoolIsAShareWithinItsLimits) {
    EXPECT_EQ(plan_memory(machine(128 * mib), image, controllers, 40)->kernel_pool.size(), 16 * mib);
    EXPECT_EQ(plan_memory(machine(1024 * mib), image, controllers, 40)->kernel_pool.size(), 62 * mib);
    EXPECT_EQ(plan_memory(machine(3 * gib, 64 * gib), image, controllers, 40)->kernel_pool.size(), 512 * mib);
}

TEST(MemoryPlan, TooLittleMemoryGivesNoPlan) {
    EXPECT_FALSE(plan_memory(machine(18 * mib), image, controllers, 40));
    EXPECT_TRUE(plan_memory(machine(20 * mib), image, controllers, 40));
}

TEST(MemoryPlan, NothingIsGivenOutTwice) {
    auto m = machine(256 * mib, 1 * gib);
    (void)m.modules.push_back({.physical = *Range::create(8 * mib, 12345)});
    const auto plan = plan_memory(m, image, controllers, 40);
    ASSERT_TRUE(plan);
    EXPECT_FALSE(any_overlaps(plan->free, image));
    EXPECT_FALSE(any_overlaps(plan->free, plan->kernel_pool));
    EXPECT_FALSE(any_overlaps(plan->free, *Range::create(0, mib)));
    EXPECT_FALSE(any_overlaps(plan->free, *Range::create(8 * mib, 16384)));
    EXPECT_EQ(plan->free.begin()->start(), 4 * gib);  // the largest one first
}

TEST(MemoryPlan, TheImageIsNotInTheDirectMap) {
    const auto plan = plan_memory(machine(256 * mib), image, controllers, 40);
    EXPECT_FALSE(any_overlaps(plan->direct_map, image));
    EXPECT_TRUE(any_overlaps(plan->direct_map, plan->kernel_pool));
}

TEST(MemoryPlan, DevicesAreWhatIsNeitherRamNorAnApic) {
    const auto plan = plan_memory(machine(256 * mib, 1 * gib), image, controllers, 40);
    for (const Range& apic : controllers) EXPECT_FALSE(any_overlaps(plan->devices, apic));
    EXPECT_FALSE(any_overlaps(plan->devices, *Range::create(mib, 255 * mib)));
    EXPECT_FALSE(any_overlaps(plan->devices, *Range::create(4 * gib, gib)));
    EXPECT_TRUE(any_overlaps(plan->devices, *Range::create(0xa0000, 0x1000)));
    EXPECT_TRUE(any_overlaps(plan->devices, *Range::create(0xfed0'0000, 0x1000)));
}

}  // namespace
}  // namespace bulkhead::kernel
