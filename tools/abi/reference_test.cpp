// SPDX-License-Identifier: Apache-2.0
#include "tools/abi/reference.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace bulkhead {
namespace {

TEST(AbiReference, IsCurrent) {
    std::ifstream calls(BULKHEAD_SOURCE_DIR "/include/abi/calls.hpp");
    std::ifstream page(BULKHEAD_SOURCE_DIR "/docs/reference/abi.md");
    ASSERT_TRUE(calls && page);
    std::ostringstream present;
    present << page.rdbuf();
    EXPECT_EQ(present.str(), abi_reference(calls)) << "build the target abi-reference-page to make the page anew";
}

}  // namespace
}  // namespace bulkhead
