// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/region_list.hpp"

#include <gtest/gtest.h>

namespace bulkhead::kernel {
namespace {

Range range(uint64_t start, uint64_t end) { return *Range::create(start, end - start); }

bool holds(const auto& list, std::initializer_list<Range> expected) {
    if (list.size() != expected.size()) return false;
    return std::all_of(expected.begin(), expected.end(),
                       [&](const Range& r) { return std::find(list.begin(), list.end(), r) != list.end(); });
}

TEST(RegionList, SubtractCutsEndsAndMiddles) {
    RegionList<8> list;
    list.add(range(100, 200));
    list.subtract(range(50, 110));
    list.subtract(range(190, 300));
    list.subtract(range(140, 150));
    EXPECT_TRUE(holds(list, {range(110, 140), range(150, 190)}));
    list.subtract(range(0, 1000));
    EXPECT_EQ(list.size(), 0u);
}

TEST(RegionList, AddingWhatIsThereAddsNothingTwice) {
    RegionList<8> list;
    list.add(range(100, 200));
    list.add(range(50, 250));
    EXPECT_EQ(list.total_bytes(), 200u);
    list.add(range(60, 240));
    EXPECT_EQ(list.total_bytes(), 200u);
}

TEST(RegionList, AFullListDropsTheSmallerPart) {
    RegionList<2> list;
    list.add(range(0, 100));
    list.add(range(200, 300));
    list.subtract(range(10, 20));
    EXPECT_EQ(list.size(), 2u);
    EXPECT_EQ(list.total_bytes(), 180u);
}

TEST(RegionList, RoundingDropsPartsOfPages) {
    RegionList<8> list;
    list.add(range(1, 4095));
    list.add(range(5000, 20000));
    list.add(range(UINT64_MAX - 10, UINT64_MAX));
    list.round_to_pages();
    EXPECT_TRUE(holds(list, {range(8192, 16384)}));
}

TEST(RegionList, SortsBySize) {
    RegionList<8> list;
    list.add(range(0, 10));
    list.add(range(100, 200));
    list.add(range(50, 70));
    list.sort_largest_first();
    EXPECT_EQ(*list.begin(), range(100, 200));
    EXPECT_EQ(*(list.end() - 1), range(0, 10));
}

}  // namespace
}  // namespace bulkhead::kernel
