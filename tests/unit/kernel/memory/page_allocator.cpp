// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/kernel_pages.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

namespace bulkhead::kernel {
namespace {

constexpr PhysicalAddress start{0x4000'0000};

class PageAllocatorTest : public testing::Test {
  protected:
    explicit PageAllocatorTest(uint64_t pages = 4096)
        : window{static_cast<std::byte*>(std::aligned_alloc(page_size_bytes, pages * page_size_bytes)), &std::free} {
        allocator.initialize(start, pages, window.get());
    }
    std::unique_ptr<std::byte, decltype(&std::free)> window;
    PageAllocator allocator;
};

class OddPageAllocatorTest : public PageAllocatorTest {
  protected:
    OddPageAllocatorTest() : PageAllocatorTest{1003} {}
};

TEST_F(PageAllocatorTest, KeepsOnePageForItsOwnRecords) {
    EXPECT_EQ(allocator.free_pages(), 4095u);
}

TEST_F(PageAllocatorTest, BlocksAreAlignedAndDisjoint) {
    std::vector<bool> used(4096);
    for (unsigned order = 0; order <= 8; ++order) {
        for (unsigned i = 0; i < 3; ++i) {
            const auto block = allocator.allocate(order);
            ASSERT_TRUE(block);
            EXPECT_TRUE(is_aligned(*block - start, page_size_bytes << order));
            for (uint64_t page = 0; page < uint64_t{1} << order; ++page) {
                const uint64_t index = (*block - start) / page_size_bytes + page;
                ASSERT_FALSE(used[index]);
                used[index] = true;
            }
        }
    }
}

TEST_F(PageAllocatorTest, GivesEveryPageAndThenNothing) {
    std::vector<PhysicalAddress> pages;
    while (const auto page = allocator.allocate()) pages.push_back(*page);
    EXPECT_EQ(pages.size(), 4095u);
    EXPECT_EQ(allocator.free_pages(), 0u);
    for (const PhysicalAddress page : pages) allocator.free(page);
    EXPECT_EQ(allocator.free_pages(), 4095u);
    EXPECT_TRUE(allocator.allocate(PageAllocator::max_order));  // all merged again
}

TEST_F(PageAllocatorTest, RefusesWhatIsTooLargeForWhatIsLeft) {
    EXPECT_FALSE(allocator.allocate(PageAllocator::max_order + 1));
    EXPECT_TRUE(allocator.allocate(PageAllocator::max_order));
    EXPECT_TRUE(allocator.allocate(PageAllocator::max_order));
    EXPECT_TRUE(allocator.allocate(PageAllocator::max_order));
    EXPECT_FALSE(allocator.allocate(PageAllocator::max_order));  // the first block holds the records
    EXPECT_TRUE(allocator.allocate(PageAllocator::max_order - 1));
}

TEST_F(PageAllocatorTest, RandomUseLosesNothing) {
    std::mt19937 random{7};
    std::vector<std::pair<PhysicalAddress, unsigned>> held;
    for (unsigned round = 0; round < 20'000; ++round) {
        if (random() % 2 == 0 || held.empty()) {
            const unsigned order = random() % 5;
            if (const auto block = allocator.allocate(order)) held.emplace_back(*block, order);
        } else {
            const std::size_t index = random() % held.size();
            allocator.free(held[index].first, held[index].second);
            held[index] = held.back();
            held.pop_back();
        }
    }
    for (const auto& [block, order] : held) allocator.free(block, order);
    EXPECT_EQ(allocator.free_pages(), 4095u);
    EXPECT_TRUE(allocator.allocate(PageAllocator::max_order));
}

TEST_F(PageAllocatorTest, FreeingTwiceIsCaught) {
    const auto page = allocator.allocate();
    allocator.free(*page);
    EXPECT_DEATH(allocator.free(*page), "assertion failed");
}

TEST_F(PageAllocatorTest, FreeingWithAnotherOrderIsCaught) {
    const auto block = allocator.allocate(2);
    EXPECT_DEATH(allocator.free(*block, 1), "assertion failed");
}

TEST_F(OddPageAllocatorTest, PoolsNeedNoRoundSize) {
    unsigned count = 0;
    while (const auto page = allocator.allocate()) {
        EXPECT_LT(*page - start, 1003 * page_size_bytes);
        ++count;
    }
    EXPECT_EQ(count, 1002u);
}

}  // namespace
}  // namespace bulkhead::kernel
