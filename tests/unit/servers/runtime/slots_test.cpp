// SPDX-License-Identifier: Apache-2.0
#include "runtime/slots.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace bulkhead::runtime {
namespace {

TEST(SlotMap, GivesEachSlotOnce) {
    auto map = std::make_unique<SlotMap>();
    map->initialize(10, 20);
    std::set<abi::Selector> seen;
    for (int i = 0; i < 10; ++i) seen.insert(map->allocate().unwrap("ten slots are free"));
    EXPECT_EQ(seen.size(), 10u);
    EXPECT_EQ(*seen.begin(), 10u);
    EXPECT_EQ(*seen.rbegin(), 19u);
    EXPECT_EQ(map->allocate().error(), abi::Status::OutOfMemory);
    map->release(15);
    EXPECT_EQ(map->allocate().unwrap("one was given back"), 15u);
}

TEST(SlotMap, ConsecutiveSlots) {
    auto map = std::make_unique<SlotMap>();
    map->initialize(64, 80);
    const auto first = map->allocate(4).unwrap("16 are free");
    const auto second = map->allocate(8).unwrap("12 are free");
    EXPECT_EQ(map->allocate(8).error(), abi::Status::OutOfMemory);
    map->release(first, 4);
    EXPECT_EQ(map->allocate(6).error(), abi::Status::OutOfMemory);
    EXPECT_EQ(map->allocate(4).unwrap("4 in a row are free"), first);
    map->release(second, 8);
    EXPECT_EQ(map->allocate(12).unwrap("second and the rest are neighbours"), second);
}

TEST(SlotMap, IgnoresWhatItDoesNotOwn) {
    auto map = std::make_unique<SlotMap>();
    map->initialize(64, 66);
    map->release(3);
    map->release(65);
    map->release(70000);
    EXPECT_EQ(map->free_count(), 2u);
    EXPECT_EQ(map->allocate(0).error(), abi::Status::OutOfMemory);
    EXPECT_EQ(map->allocate(~0u).error(), abi::Status::OutOfMemory);
}

TEST(SlotMap, SpaceLargerThanTheMap) {
    auto map = std::make_unique<SlotMap>();
    map->initialize(64, ~0u);
    EXPECT_EQ(map->free_count(), SlotMap::capacity - 64);
    EXPECT_EQ(map->allocate(SlotMap::capacity - 64).unwrap("all"), 64u);
}

}  // namespace
}  // namespace bulkhead::runtime
