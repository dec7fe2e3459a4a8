// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/page_table.hpp"

#include <gtest/gtest.h>

#include <random>

#include "../support/fake_tables.hpp"

namespace bulkhead::kernel {
namespace {

using test::FakeMemory;
using test::FakeTables;
using x86::PageAccess;

constexpr uint64_t kib4 = 4096, mib2 = 2u << 20, gib1 = 1u << 30;
constexpr PageAccess data{.write = true};
constexpr PageAccess code{.execute = true};

template <typename Format>
class PageTableTest : public testing::Test {
  protected:
    FakeTables tables;
    FakeMemory memory{&tables};
    PhysicalAddress root{tables.new_page()};

    PageTable<Format, FakeMemory> table(unsigned largest = 2) {
        tables.largest_page_level = largest;
        return {root, memory};
    }
    /// Maps all of it, however often the budget ends.
    PageTableProgress map_all(uint64_t at, uint64_t physical, uint64_t size, PageAccess access, unsigned budget = 64) {
        PageTableProgress sum;
        while (sum.bytes < size) {
            const auto p = table().map(at + sum.bytes, PhysicalAddress{physical + sum.bytes}, size - sum.bytes, access,
                                       budget);
            sum.bytes += p.bytes;
            sum.exhausted = p.exhausted;
            if (p.exhausted) break;
            EXPECT_GT(p.bytes, 0u);
        }
        return sum;
    }
    uint64_t unmap_all(uint64_t at, uint64_t size, unsigned budget = 64) {
        uint64_t done = 0;
        for (unsigned calls = 0; done < size && calls < 100'000; ++calls)
            done += table().unmap(at + done, size - done, budget);
        return done;
    }
    /// What a walker finds at an address: the entry of the page, and its level.
    struct Leaf {
        uint64_t entry;
        unsigned level;
    };
    std::optional<Leaf> walk(uint64_t at) {
        PhysicalAddress table_at = root;
        for (unsigned level = Format::levels - 1;; --level) {
            const uint64_t index = at >> (page_shift + Format::index_bits * level) & (Format::entries - 1);
            const uint64_t entry = memory.read(table_at + index * sizeof(uint64_t));
            if (!Format::present(entry)) return std::nullopt;
            if (Format::leaf(entry, level)) return Leaf{entry, level};
            table_at = Format::table_address(entry);
        }
    }
    std::optional<uint64_t> translate(uint64_t at) {
        const auto leaf = walk(at);
        if (!leaf) return std::nullopt;
        const uint64_t bytes = Format::bytes_at(leaf->level);
        // Large pages have attribute bits (PAT) where the low bits of the frame would be.
        return Format::table_address(leaf->entry).align_down(bytes).value() + (at & (bytes - 1));
    }
    uint64_t page_bytes_at(uint64_t at) { return Format::bytes_at(walk(at)->level); }
};

using Formats = testing::Types<x86::HostPageFormat, x86::ExtendedPageFormat>;
TYPED_TEST_SUITE(PageTableTest, Formats);

TYPED_TEST(PageTableTest, EmptyTableTranslatesNothing) {
    EXPECT_FALSE(this->translate(0));
    EXPECT_FALSE(this->translate(0x7fff'ffff'e000));
}

TYPED_TEST(PageTableTest, MapsOnePageAndKeepsItsAccess) {
    const auto progress = this->map_all(0x40'0000, 0x1234'5000, kib4, code);
    EXPECT_EQ(progress.bytes, kib4);
    EXPECT_EQ(this->translate(0x40'0123), 0x1234'5123u);
    EXPECT_EQ(this->walk(0x40'0000)->entry, TypeParam::make_page(PhysicalAddress{0x1234'5000}, code, 0));
    EXPECT_FALSE(this->translate(0x40'1000));
    EXPECT_FALSE(this->translate(0x3f'f000));
    EXPECT_EQ(this->tables.live.size(), 4u);
}

TYPED_TEST(PageTableTest, ChoosesTheLargestPagesThatFit) {
    // 4 KiB before a 2 MiB border, then 2 MiB pages up to a GiB border, one GiB, and a rest of 2 MiB + 4 KiB.
    const uint64_t at = gib1 - mib2 - kib4, size = kib4 + mib2 + gib1 + mib2 + kib4;
    this->map_all(at, at + 4 * gib1, size, data);
    EXPECT_EQ(this->page_bytes_at(at), kib4);
    EXPECT_EQ(this->page_bytes_at(gib1 - mib2), mib2);
    EXPECT_EQ(this->page_bytes_at(gib1), gib1);
    EXPECT_EQ(this->page_bytes_at(2 * gib1), mib2);
    EXPECT_EQ(this->page_bytes_at(2 * gib1 + mib2), kib4);
    EXPECT_FALSE(this->translate(at + size));
    for (uint64_t offset = 0; offset < size; offset += 64 * kib4)
        EXPECT_EQ(this->translate(at + offset), at + 4 * gib1 + offset);
}

TYPED_TEST(PageTableTest, UsesOnlyPageSizesTheCpuHas) {
    (void)this->table(1).map(gib1, PhysicalAddress{gib1}, gib1, data, 10'000);
    EXPECT_EQ(this->page_bytes_at(gib1), mib2);
    (void)this->table(0).map(0, PhysicalAddress{0}, mib2, data, 10'000);
    EXPECT_EQ(this->page_bytes_at(0), kib4);
}

TYPED_TEST(PageTableTest, PhysicalAlignmentLimitsThePageSize) {
    this->map_all(mib2, mib2 + kib4, mib2, data);
    EXPECT_EQ(this->page_bytes_at(mib2), kib4);
    EXPECT_EQ(this->translate(2 * mib2 - 1), 2 * mib2 + kib4 - 1);
}

TYPED_TEST(PageTableTest, BudgetBoundsTheWritesOfOneCall) {
    this->tables.writes.clear();
    const auto progress = this->table().map(0, PhysicalAddress{kib4}, mib2, data, 10);
    EXPECT_EQ(progress.bytes, 10 * kib4);
    EXPECT_LE(this->tables.writes.size(), 10 + 3u);
    EXPECT_EQ(this->translate(9 * kib4), 10 * kib4);
    EXPECT_FALSE(this->translate(10 * kib4));
}

TYPED_TEST(PageTableTest, AWalkerSeesOldOrNewAtAnyTime) {
    std::map<uint64_t, uint64_t> expected;
    this->tables.after_write = [&] {
        for (uint64_t at = 0; at < 16 * kib4; at += kib4) {
            const auto seen = this->translate(at);
            if (seen) {
                ASSERT_EQ(*seen, at + gib1);
            }
        }
    };
    this->map_all(0, gib1, 16 * kib4, data, 3);
    this->unmap_all(0, 16 * kib4, 3);
}

TYPED_TEST(PageTableTest, ExhaustionChangesNothingAndLeaksNothing) {
    this->map_all(0, 0, kib4, data);
    for (unsigned pages = 0; pages < 3; ++pages) {
        this->tables.pages_left = pages;
        const auto progress = this->table().map(512 * gib1, PhysicalAddress{0}, kib4, data);
        EXPECT_TRUE(progress.exhausted);
        EXPECT_EQ(progress.bytes, 0u);
        EXPECT_EQ(this->memory.read(this->root + sizeof(uint64_t)), 0u);
        EXPECT_EQ(this->tables.pages_left, pages);
        EXPECT_EQ(this->tables.live.size(), 4u);
    }
    this->tables.pages_left = 3;
    EXPECT_FALSE(this->table().map(512 * gib1, PhysicalAddress{0}, kib4, data).exhausted);
}

TYPED_TEST(PageTableTest, ExhaustionTellsHowFarItCame) {
    this->tables.pages_left = 3;
    const auto progress = this->map_all(mib2 - 2 * kib4, gib1, 4 * kib4, data);
    EXPECT_TRUE(progress.exhausted);
    EXPECT_EQ(progress.bytes, 2 * kib4);
}

TYPED_TEST(PageTableTest, UnmapRetiresEveryEmptiedTable) {
    const uint64_t at = 3 * gib1 - 5 * kib4;
    this->map_all(at, kib4, 2 * mib2, data);
    EXPECT_EQ(this->unmap_all(at, 2 * mib2), 2 * mib2);
    EXPECT_EQ(this->tables.live.size(), 1u);  // the root
    EXPECT_EQ(this->tables.pages_left, 1000u);
    EXPECT_FALSE(this->translate(at));
}

TYPED_TEST(PageTableTest, UnmapKeepsTablesThatHoldMore) {
    this->map_all(0, kib4, 4 * kib4, data);
    this->unmap_all(kib4, 2 * kib4);
    EXPECT_EQ(this->translate(0), kib4);
    EXPECT_FALSE(this->translate(kib4));
    EXPECT_FALSE(this->translate(2 * kib4));
    EXPECT_EQ(this->translate(3 * kib4), 4 * kib4);
    EXPECT_EQ(this->tables.live.size(), 4u);
}

TYPED_TEST(PageTableTest, UnmappingNothingIsQuick) {
    EXPECT_EQ(this->table().unmap(0, uint64_t{1} << 47, 300), uint64_t{1} << 47);
    EXPECT_TRUE(this->tables.writes.empty());
}

TYPED_TEST(PageTableTest, UnmapWithABudgetOfOneStillEnds) {
    this->map_all(0, 0, mib2 + 20 * kib4, data);
    this->unmap_all(0, mib2 + 20 * kib4, 4);
    EXPECT_EQ(this->tables.live.size(), 1u);
}

TYPED_TEST(PageTableTest, UpperHalfAddressesWork) {
    const uint64_t at = 0xffff'8000'0000'0000;
    this->map_all(at, 0, 3 * mib2, data);
    EXPECT_EQ(this->translate(at + mib2 + 5), mib2 + 5);
    this->map_all(0 - mib2, mib2, mib2, data);  // up to the very end
    EXPECT_EQ(this->translate(UINT64_MAX), 2 * mib2 - 1);
    EXPECT_EQ(this->unmap_all(0 - mib2, mib2), mib2);
    EXPECT_FALSE(this->translate(UINT64_MAX));
}

/// Random mappings that come and go whole, against a model of single pages.
TYPED_TEST(PageTableTest, AgreesWithAFlatModel) {
    std::mt19937_64 random{20260101};
    std::map<uint64_t, uint64_t> model;
    std::map<uint64_t, uint64_t> mappings;  // first page, number of pages
    constexpr uint64_t window_pages = 4 * 512;
    const uint64_t base = gib1 - 2 * mib2;  // across a table of each level
    for (unsigned round = 0; round < 600; ++round) {
        const uint64_t first = random() % window_pages;
        const uint64_t at = base + first * kib4;
        if (const auto known = mappings.find(first); known != mappings.end()) {
            ASSERT_EQ(this->unmap_all(at, known->second * kib4, 5 + random() % 100), known->second * kib4);
            model.erase(model.lower_bound(first), model.lower_bound(first + known->second));
            mappings.erase(known);
        } else if (!model.contains(first)) {
            const auto next = model.lower_bound(first);
            const uint64_t room = (next == model.end() ? window_pages : next->first) - first;
            const uint64_t count = 1 + random() % room;
            const uint64_t physical = random() % 2 == 0 ? at + 8 * gib1 : (random() % 4096) * kib4;
            ASSERT_EQ(this->map_all(at, physical, count * kib4, data, 1 + random() % 100).bytes, count * kib4);
            for (uint64_t i = 0; i < count; ++i) model[first + i] = physical + i * kib4;
            mappings[first] = count;
        } else {
            const auto around = std::prev(mappings.upper_bound(first));
            ASSERT_EQ(this->unmap_all(base + around->first * kib4, around->second * kib4), around->second * kib4);
            model.erase(model.lower_bound(around->first), model.lower_bound(around->first + around->second));
            mappings.erase(around);
        }
        for (uint64_t page = 0; page < window_pages; page += 7) {
            const auto found = model.find(page);
            const auto expected = found == model.end() ? std::nullopt : std::optional{found->second};
            ASSERT_EQ(this->translate(base + page * kib4), expected) << "round " << round << " page " << page;
        }
        this->tables.retired.clear();
    }
    for (const auto& [first, count] : mappings) this->unmap_all(base + first * kib4, count * kib4);
    EXPECT_EQ(this->tables.live.size(), 1u);
    EXPECT_EQ(this->tables.pages_left, 1000u);
}

TEST(HostPageFormat, UncachedPagesAndKernelPages) {
    using Format = x86::HostPageFormat;
    const PageAccess device{.write = true, .kernel = true, .uncached = true};
    const uint64_t entry = Format::make_page(PhysicalAddress{0xfee0'0000}, device, 0);
    EXPECT_TRUE(Format::Writable::read(entry));
    EXPECT_TRUE(Format::CacheDisable::read(entry));
    EXPECT_FALSE(Format::User::read(entry));
    EXPECT_TRUE(Format::NoExecute::read(entry));
}

/// The walks of nested tables are user accesses, and write.
TEST(HostPageFormat, WhatIsNotTheKernelsIsAUserPage) {
    using Format = x86::HostPageFormat;
    EXPECT_TRUE(Format::User::read(Format::make_page(PhysicalAddress{0x1000}, {.write = true}, 0)));
    EXPECT_TRUE(Format::User::read(Format::make_table(PhysicalAddress{0x1000})));
    EXPECT_TRUE(Format::Writable::read(Format::make_table(PhysicalAddress{0x1000})));
}

}  // namespace
}  // namespace bulkhead::kernel
