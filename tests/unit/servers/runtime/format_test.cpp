// SPDX-License-Identifier: Apache-2.0
#include "runtime/format.hpp"

#include <gtest/gtest.h>

#include <climits>
#include <string>

namespace bulkhead::runtime {
namespace {

template <typename... Arguments>
std::string formatted(Format<Arguments...> format, const Arguments&... arguments) {
    char buffer[100];
    return std::string{format_into(buffer, Format<Arguments...>{format}, arguments...)};
}

TEST(Format, TextWithoutPlaces) { EXPECT_EQ(formatted("plain"), "plain"); }

TEST(Format, Numbers) {
    EXPECT_EQ(formatted("{} {} {}", 0, 42u, -7), "0 42 -7");
    EXPECT_EQ(formatted("{}", UINT64_MAX), "18446744073709551615");
    EXPECT_EQ(formatted("{}", INT64_MIN), "-9223372036854775808");
    EXPECT_EQ(formatted("{x} {x}", 255, UINT64_MAX), "0xff 0xffffffffffffffff");
}

TEST(Format, OtherTypes) {
    EXPECT_EQ(formatted("{}", "text"), "text");
    EXPECT_EQ(formatted("{}{}", 'a', 'b'), "ab");
    EXPECT_EQ(formatted("{}/{}", true, false), "yes/no");
    EXPECT_EQ(formatted("{}", abi::Status::TimedOut), "timed out");
    EXPECT_EQ(formatted("{}", GuestPhysicalAddress{0x1000}), "0x1000");
    EXPECT_EQ(formatted("{}", static_cast<const void*>(nullptr)), "0x0");
}

TEST(Format, CutsWhatDoesNotFit) {
    char buffer[4];
    EXPECT_EQ(format_into(buffer, "{}", 123456), "1234");
}

}  // namespace
}  // namespace bulkhead::runtime
