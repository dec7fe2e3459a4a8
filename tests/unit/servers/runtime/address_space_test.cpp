// SPDX-License-Identifier: Apache-2.0
#include "runtime/address_space.hpp"

#include <gtest/gtest.h>

namespace bulkhead::runtime {
namespace {

RangeMap map_of(uint64_t start, uint64_t size) {
    RangeMap map;
    map.initialize(*Range::create(start, size));
    return map;
}

TEST(RangeMap, Aligns) {
    RangeMap map = map_of(0x1000, 0x10000);
    EXPECT_EQ(map.allocate(0x1000, 0x4000).unwrap("fits"), 0x4000u);
    // What lies before the aligned range stays free.
    EXPECT_EQ(map.allocate(0x3000, 0x1000).unwrap("fits"), 0x1000u);
    EXPECT_EQ(map.allocate(0x1000, 0x1000).unwrap("fits"), 0x5000u);
}

TEST(RangeMap, Exhaustion) {
    RangeMap map = map_of(0x1000, 0x2000);
    EXPECT_EQ(map.allocate(0x3000, 0x1000).error(), abi::Status::OutOfMemory);
    EXPECT_EQ(map.allocate(0, 0x1000).error(), abi::Status::BadArgument);
    EXPECT_EQ(map.allocate(0x1000, 0x1800).error(), abi::Status::BadArgument);
    EXPECT_TRUE(map.allocate(0x2000, 0x1000).ok());
    EXPECT_EQ(map.allocate(0x1000, 0x1000).error(), abi::Status::OutOfMemory);
}

TEST(RangeMap, JoinsNeighbours) {
    RangeMap map = map_of(0, 0x8000);
    for (uint64_t i = 0; i < 8; ++i) EXPECT_EQ(map.allocate(0x1000, 0x1000).unwrap("fits"), i * 0x1000);
    for (const uint64_t page : {1, 3, 5, 7, 0, 2, 4, 6}) map.release(page * 0x1000, 0x1000);
    EXPECT_EQ(map.allocate(0x8000, 0x1000).unwrap("all of it is one piece again"), 0u);
}

TEST(RangeMap, AlignmentAtTheEndOfTheAddressSpace) {
    RangeMap map = map_of(~uint64_t{0} - 0x1fff, 0x1000);
    EXPECT_EQ(map.allocate(0x1000, uint64_t{1} << 40).error(), abi::Status::OutOfMemory);
}

}  // namespace
}  // namespace bulkhead::runtime
