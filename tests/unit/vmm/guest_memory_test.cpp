// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>

#include "ram.hpp"

namespace bulkhead::vmm {
namespace {

using test::Ram;

TEST(GuestMemory, RefusesBadBlocks) {
    std::vector<std::byte> bytes(3 * page_size_bytes);
    GuestMemory memory;
    EXPECT_EQ(memory.add({GuestPhysicalAddress{0}, 0, bytes.data()}).error(), GuestMemoryError::Empty);
    EXPECT_EQ(memory.add({GuestPhysicalAddress{1}, 4096, bytes.data()}).error(), GuestMemoryError::Unaligned);
    EXPECT_EQ(memory.add({GuestPhysicalAddress{0}, 4095, bytes.data()}).error(), GuestMemoryError::Unaligned);
    EXPECT_EQ(memory.add({GuestPhysicalAddress{~uint64_t{0xfff}}, 8192, bytes.data()}).error(), GuestMemoryError::Wraps);
    EXPECT_TRUE(memory.add({GuestPhysicalAddress{4096}, 4096, bytes.data()}));
    EXPECT_EQ(memory.add({GuestPhysicalAddress{0}, 8192, bytes.data()}).error(), GuestMemoryError::Overlaps);
    EXPECT_EQ(memory.size_bytes(), 4096u);
}

TEST(GuestMemory, ChecksEveryAccess) {
    Ram ram{page_size_bytes};
    ram.add(page_size_bytes, 2 * page_size_bytes);
    const GuestMemory& memory = ram.memory();
    std::array<std::byte, 16> bytes{};
    EXPECT_TRUE(memory.read(GuestPhysicalAddress{4080}, bytes));
    EXPECT_FALSE(memory.read(GuestPhysicalAddress{4081}, bytes));
    EXPECT_FALSE(memory.write(GuestPhysicalAddress{~uint64_t{7}}, bytes));
    EXPECT_FALSE(memory.read_value<uint64_t>(GuestPhysicalAddress{4092}));
    EXPECT_FALSE(memory.contains(GuestPhysicalAddress{0}, ~uint64_t{0}));
    EXPECT_TRUE(memory.contains(GuestPhysicalAddress{0x2fff}, 1));
    EXPECT_EQ(memory.find(GuestPhysicalAddress{4095}, 2), nullptr);
    EXPECT_FALSE(memory.fill_zero(GuestPhysicalAddress{0}, 4097));
}

TEST(GuestMemory, AccessesSpanAdjacentBlocks) {
    Ram ram{page_size_bytes};
    ram.add(page_size_bytes, page_size_bytes);
    ram.put<uint64_t>(4092, 0x1122334455667788);
    EXPECT_EQ(ram.at<uint64_t>(4092), 0x1122334455667788u);
    EXPECT_EQ(ram.at<uint32_t>(4096), 0x11223344u);
    EXPECT_FALSE(ram.memory().set_bits<uint64_t>(GuestPhysicalAddress{4092}, 1));
    EXPECT_TRUE(ram.memory().set_bits<uint32_t>(GuestPhysicalAddress{4096}, 0x80000000));
    EXPECT_EQ(ram.at<uint32_t>(4096), 0x91223344u);
}

}  // namespace
}  // namespace bulkhead::vmm
