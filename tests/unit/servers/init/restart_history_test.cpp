// SPDX-License-Identifier: Apache-2.0
#include "servers/init/restart_history.hpp"

#include <gtest/gtest.h>

namespace bulkhead::init {
namespace {

using protocol::RestartPolicy;
constexpr uint64_t second = 1'000'000'000;

TEST(RestartPolicy, SaysWhatItMeans) {
    EXPECT_FALSE(wants_restart(RestartPolicy::Never, EndKind::Failed));
    EXPECT_FALSE(wants_restart(RestartPolicy::Never, EndKind::Finished));
    EXPECT_TRUE(wants_restart(RestartPolicy::OnFailure, EndKind::Failed));
    EXPECT_FALSE(wants_restart(RestartPolicy::OnFailure, EndKind::Finished));
    EXPECT_TRUE(wants_restart(RestartPolicy::Always, EndKind::Finished));
}

TEST(RestartHistory, AllowsSoManyInTheWindow) {
    RestartHistory history;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(history.allow(100 * second, 3, 10 * second));
    EXPECT_FALSE(history.allow(101 * second, 3, 10 * second));
    EXPECT_FALSE(history.allow(109 * second, 3, 10 * second));
}

TEST(RestartHistory, ForgetsAfterTheWindow) {
    RestartHistory history;
    EXPECT_TRUE(history.allow(0, 1, second));
    EXPECT_FALSE(history.allow(second / 2, 1, second));
    EXPECT_TRUE(history.allow(2 * second, 1, second));
}

TEST(RestartHistory, SlowFailuresNeverAddUp) {
    RestartHistory history;
    for (uint64_t i = 0; i < 1000; ++i) EXPECT_TRUE(history.allow(i * 20 * second, 5, 10 * second));
}

}  // namespace
}  // namespace bulkhead::init
