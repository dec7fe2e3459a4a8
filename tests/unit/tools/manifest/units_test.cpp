// SPDX-License-Identifier: Apache-2.0
#include "tools/manifest/units.hpp"

#include <gtest/gtest.h>

namespace bulkhead::manifest {
namespace {

TEST(Units, Sizes) {
    EXPECT_EQ(parse_size("64K"), 65536u);
    EXPECT_EQ(parse_size("1M"), 1u << 20);
    EXPECT_EQ(parse_size("2G"), 2ull << 30);
    EXPECT_EQ(parse_size("4096"), 4096u);
    for (const char* wrong : {"", "K", "1 M", "1m", "-1M", "1MB", "1.5G", "99999999999999999999", "99999999999G"})
        EXPECT_FALSE(parse_size(wrong)) << wrong;
}

TEST(Units, Durations) {
    EXPECT_EQ(parse_duration_ns("500us"), 500'000u);
    EXPECT_EQ(parse_duration_ns("20ms"), 20'000'000u);
    EXPECT_EQ(parse_duration_ns("1s"), 1'000'000'000u);
    for (const char* wrong : {"", "1", "1m", "1 s", "s", "99999999999999999s"})
        EXPECT_FALSE(parse_duration_ns(wrong)) << wrong;
}

TEST(Units, PortRanges) {
    EXPECT_EQ(parse_port_range("3f8-3ff"), (std::pair{0x3f8u, 0x3ffu}));
    EXPECT_EQ(parse_port_range("0x70"), (std::pair{0x70u, 0x70u}));
    for (const char* wrong : {"", "3ff-3f8", "10000", "3f8-", "-3ff", "3f8-3ff-4", "xyz"})
        EXPECT_FALSE(parse_port_range(wrong)) << wrong;
}

TEST(Units, SizesAsText) {
    EXPECT_EQ(size_text(512ull << 20), "512M");
    EXPECT_EQ(size_text(3ull << 30), "3G");
    EXPECT_EQ(size_text(4096), "4K");
    EXPECT_EQ(size_text(5), "5");
}

}  // namespace
}  // namespace bulkhead::manifest
