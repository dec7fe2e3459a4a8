// SPDX-License-Identifier: Apache-2.0
#include "base/format.hpp"

#include <gtest/gtest.h>

#include <string>

namespace bulkhead::kernel {
namespace {

class StringSink final : public Sink {
  public:
    void put(char character) override { text += character; }
    std::string text;
};

template <typename... Arguments>
std::string formatted(Format<Arguments...> format, const Arguments&... arguments) {
    StringSink sink;
    format_arguments(sink, format.text, {FormatArgument{arguments}...});
    return sink.text;
}

TEST(Format, Text) {
    EXPECT_EQ(formatted("nothing to fill in"), "nothing to fill in");
    EXPECT_EQ(formatted("{} and {}", "one", std::string_view{"two"}), "one and two");
    EXPECT_EQ(formatted("{}", true), "yes");
}

TEST(Format, Numbers) {
    EXPECT_EQ(formatted("{}", 0u), "0");
    EXPECT_EQ(formatted("{}", UINT64_MAX), "18446744073709551615");
    EXPECT_EQ(formatted("{}", -5), "-5");
    EXPECT_EQ(formatted("{}", INT64_MIN), "-9223372036854775808");
    EXPECT_EQ(formatted("{}", uint8_t{200}), "200");
}

TEST(Format, Hexadecimal) {
    EXPECT_EQ(formatted("{x}", 0xffffffff80123456u), "0xffffffff80123456");
    EXPECT_EQ(formatted("{x}", 0), "0x0");
    EXPECT_EQ(formatted("at {}", PhysicalAddress{0xb8000}), "at 0xb8000");
}

}  // namespace
}  // namespace bulkhead::kernel
