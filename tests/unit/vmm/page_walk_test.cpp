// SPDX-License-Identifier: Apache-2.0
#include "vmm/arch/x86/page_walk.hpp"

#include <gtest/gtest.h>

#include <random>

#include "ram.hpp"

namespace bulkhead::vmm {
namespace {

using test::Ram;

constexpr uint64_t paging_on = 0x80000001;
constexpr uint64_t write_protect = 1u << 16;

TEST(PageWalk, WithoutPagingIsIdentity) {
    Ram ram{page_size_bytes};
    const auto result = translate(ram.memory(), {.cr0 = 1}, 0x123456789, WalkFor::Read);
    EXPECT_EQ(result.value().address, GuestPhysicalAddress{0x23456789});
}

TEST(PageWalk, FourLevels) {
    Ram ram{0x10000};
    const PagingState paging{.cr0 = paging_on | write_protect, .cr3 = 0x1008, .cr4 = 0x20, .efer = 0x500};
    ram.put<uint64_t>(0x1000 + 8 * 511, 0x2003);
    ram.put<uint64_t>(0x2000 + 8 * 510, 0x3003);
    ram.put<uint64_t>(0x3000 + 8 * 3, 0x4003);
    ram.put<uint64_t>(0x4000 + 8 * 5, 0x8000'0000'fee0'0001);
    ram.put<uint64_t>(0x3000 + 8 * 4, 0x4020'0083);
    const uint64_t base = 0xffff'ffff'8000'0000;
    EXPECT_EQ(translate(ram.memory(), paging, base + 0x605123, WalkFor::Read).value().address,
              GuestPhysicalAddress{0xfee00123});
    EXPECT_EQ(translate(ram.memory(), paging, base + 0x605123, WalkFor::Write).error(), PageWalkError::NotWritable);
    const auto large = translate(ram.memory(), paging, base + 0x812345, WalkFor::Write).value();
    EXPECT_EQ(large.address, GuestPhysicalAddress{0x40212345});
    EXPECT_EQ(large.mapping_bytes, 0x200000u);
    EXPECT_EQ(ram.at<uint64_t>(0x3000 + 8 * 4), 0x402000e3u);
    EXPECT_EQ(translate(ram.memory(), paging, base + 0x606000, WalkFor::Read).error(), PageWalkError::NotPresent);
    EXPECT_EQ(translate(ram.memory(), paging, 0x8000'0000'0000, WalkFor::Read).error(), PageWalkError::NotCanonical);
    ram.put<uint64_t>(0x1000 + 8 * 511, 0x7777'7003);
    EXPECT_EQ(translate(ram.memory(), paging, base, WalkFor::Read).error(), PageWalkError::TableOutsideMemory);
    ram.put<uint64_t>(0x1000 + 8 * 511, 0x2083);
    EXPECT_EQ(translate(ram.memory(), paging, base, WalkFor::Read).error(), PageWalkError::ReservedBits);
}

TEST(PageWalk, FiveLevelsAndGigabytePages) {
    Ram ram{0x10000};
    const PagingState paging{.cr0 = paging_on, .cr3 = 0x1000, .cr4 = 0x1020, .efer = 0x500};
    ram.put<uint64_t>(0x1000 + 8 * 256, 0x2003);
    ram.put<uint64_t>(0x2000, 0x3003);
    ram.put<uint64_t>(0x3000, 0x1'4000'0083);
    const auto result = translate(ram.memory(), paging, 0xff00'0000'3fff'f0ff, WalkFor::Read).value();
    EXPECT_EQ(result.address, GuestPhysicalAddress{0x1'7fff'f0ff});
}

TEST(PageWalk, Pae) {
    Ram ram{0x10000};
    const PagingState paging{.cr0 = paging_on, .cr3 = 0x1020, .cr4 = 0x20};
    ram.put<uint64_t>(0x1020 + 8 * 3, 0x2001);
    ram.put<uint64_t>(0x2000 + 8 * 511, 0x3003);
    ram.put<uint64_t>(0x3000 + 8 * 511, 0xfee0'0003);
    EXPECT_EQ(translate(ram.memory(), paging, 0xffff'f0b0, WalkFor::Read).value().address,
              GuestPhysicalAddress{0xfee000b0});
    EXPECT_EQ(translate(ram.memory(), paging, 0x4000'0000, WalkFor::Read).error(), PageWalkError::NotPresent);
}

TEST(PageWalk, Legacy) {
    Ram ram{0x10000};
    PagingState paging{.cr0 = paging_on, .cr3 = 0x1000, .cr4 = 0x10};
    ram.put<uint32_t>(0x1000 + 4 * 1023, 0x2003);
    ram.put<uint32_t>(0x2000 + 4 * 1, 0xfec0'0003);
    ram.put<uint32_t>(0x1000 + 4 * 2, 0x0080'2083);
    EXPECT_EQ(translate(ram.memory(), paging, 0xffc0'1010, WalkFor::Read).value().address,
              GuestPhysicalAddress{0xfec00010});
    EXPECT_EQ(translate(ram.memory(), paging, 0x0080'0001, WalkFor::Read).value().address,
              GuestPhysicalAddress{0x1'0080'0001});
}

TEST(PageWalk, GarbageTablesNeverEscape) {
    std::mt19937_64 random{1};
    Ram ram{0x8000};
    for (int round = 0; round < 20000; ++round) {
        ram.put<uint64_t>(8 * (random() % 0x1000), random() & (random() % 4 != 0 ? 0x80000000000071e3 | 3 : ~uint64_t{0}));
        const PagingState paging{.cr0 = paging_on, .cr3 = random() & 0x7fff, .cr4 = random(), .efer = random()};
        (void)translate(ram.memory(), paging, random(), random() % 2 != 0 ? WalkFor::Read : WalkFor::Write);
    }
}

}  // namespace
}  // namespace bulkhead::vmm
