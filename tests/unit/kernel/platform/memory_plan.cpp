// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "kernel/platform/boot_information.hpp"

namespace bulkhead::kernel {
namespace {

constexpr uint64_t mib = 1u << 20, gib = 1u << 30;
const Range image = *Range::create(1 * mib, 2 * mib);

/// A machine and, if it is large enough, the plan for it.
struct Planned : BootInformation {
    explicit Planned(uint64_t low_end, uint64_t high_bytes = 0, const Range& module = {}) {
        multiboot.available.add(*Range::create(0, 0x9f000));
        multiboot.available.add(*Range::create(1 * mib, low_end - mib));
        if (high_bytes != 0) multiboot.available.add(*Range::create(4 * gib, high_bytes));
        if (!module.empty()) (void)multiboot.modules.push_back({.physical = module});
        (void)acpi.io_apics.push_back(
            {.entry = {}, .id = 0, .reserved = 0, .address = 0xfec0'0000, .first_interrupt = 0});
        possible = plan_memory(*this, image, 40);
    }
    bool possible;
};

bool any_overlaps(const BootRegions& regions, const Range& range) {
    return std::any_of(regions.begin(), regions.end(), [&](const Range& r) { return r.overlaps(range); });
}

TEST(MemoryPlan, PoolIsAShareWithinItsLimits) {
    EXPECT_EQ(Planned(128 * mib).kernel_pool.size(), 16 * mib);
    EXPECT_EQ(Planned(1024 * mib).kernel_pool.size(), 62 * mib);
    EXPECT_EQ(Planned(3 * gib, 64 * gib).kernel_pool.size(), 512 * mib);
}

TEST(MemoryPlan, TooLittleMemoryGivesNoPlan) {
    EXPECT_FALSE(Planned(18 * mib).possible);
    EXPECT_TRUE(Planned(20 * mib).possible);
}

TEST(MemoryPlan, NothingIsGivenOutTwice) {
    const Planned plan{256 * mib, 1 * gib, *Range::create(8 * mib, 12345)};
    ASSERT_TRUE(plan.possible);
    EXPECT_FALSE(any_overlaps(plan.free, image));
    EXPECT_FALSE(any_overlaps(plan.free, plan.kernel_pool));
    EXPECT_FALSE(any_overlaps(plan.free, *Range::create(0, mib)));
    EXPECT_FALSE(any_overlaps(plan.free, *Range::create(8 * mib, 16384)));
    EXPECT_EQ(plan.free.begin()->start(), 4 * gib);  // the largest one first
}

TEST(MemoryPlan, TheImageIsNotInTheDirectMap) {
    const Planned plan{256 * mib};
    EXPECT_FALSE(any_overlaps(plan.direct_map, image));
    EXPECT_TRUE(any_overlaps(plan.direct_map, plan.kernel_pool));
}

TEST(MemoryPlan, DevicesAreWhatIsNeitherRamNorAnApic) {
    const Planned plan{256 * mib, 1 * gib};
    EXPECT_FALSE(any_overlaps(plan.devices, *Range::create(0xfee0'0000, 0x1000)));
    EXPECT_FALSE(any_overlaps(plan.devices, *Range::create(0xfec0'0000, 0x1000)));
    EXPECT_FALSE(any_overlaps(plan.devices, *Range::create(mib, 255 * mib)));
    EXPECT_FALSE(any_overlaps(plan.devices, *Range::create(4 * gib, gib)));
    EXPECT_TRUE(any_overlaps(plan.devices, *Range::create(0xa0000, 0x1000)));
    EXPECT_TRUE(any_overlaps(plan.devices, *Range::create(0xfed0'0000, 0x1000)));
}

}  // namespace
}  // namespace bulkhead::kernel
