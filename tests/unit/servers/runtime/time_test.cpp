// SPDX-License-Identifier: Apache-2.0
#include "runtime/time.hpp"

#include <gtest/gtest.h>

namespace bulkhead::runtime {
namespace {

TEST(MultiplyDivide, UsesA128BitProduct) {
    EXPECT_EQ(multiply_divide(3'000'000'000, ns_per_second, 3'000'000'000), ns_per_second);
    EXPECT_EQ(multiply_divide(UINT64_MAX, 10, 10), UINT64_MAX);
    EXPECT_EQ(multiply_divide(uint64_t{1} << 63, 2, 4), uint64_t{1} << 62);
    EXPECT_EQ(multiply_divide(0, 5, 7), 0u);
}

TEST(MultiplyDivide, SaturatesInsteadOfFaulting) {
    EXPECT_EQ(multiply_divide(UINT64_MAX, 2, 1), UINT64_MAX);
    EXPECT_EQ(multiply_divide(1, 1, 0), UINT64_MAX);
}

}  // namespace
}  // namespace bulkhead::runtime
