// SPDX-License-Identifier: Apache-2.0
#include "servers/init/mailbox.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace bulkhead::init {
namespace {

TEST(Report, TheFirstWins) {
    Report<int> report;
    EXPECT_EQ(report.read(), nullptr);
    int* place = report.claim();
    ASSERT_NE(place, nullptr);
    EXPECT_EQ(report.claim(), nullptr);
    EXPECT_EQ(report.read(), nullptr);
    *place = 7;
    report.publish();
    ASSERT_NE(report.read(), nullptr);
    EXPECT_EQ(*report.read(), 7);
    EXPECT_EQ(report.claim(), nullptr);
    report.clear();
    EXPECT_NE(report.claim(), nullptr);
}

TEST(EventQueue, IsBoundedAndInOrder) {
    auto queue = std::make_unique<EventQueue>();
    Event event{};
    EXPECT_FALSE(queue->take(event));
    uint32_t put = 0;
    for (;; ++put) {
        event.component = put;
        if (!queue->put(event)) break;
    }
    EXPECT_EQ(put, 64u);
    for (uint32_t i = 0; i < put; ++i) {
        ASSERT_TRUE(queue->take(event));
        EXPECT_EQ(event.component, i);
    }
    EXPECT_FALSE(queue->take(event));
}

TEST(EventQueue, OneProducerAndOneConsumerAtOnce) {
    constexpr uint32_t total = 100'000;
    auto queue = std::make_unique<EventQueue>();
    std::thread producer{[&] {
        Event event{};
        while (event.component < total) event.component += queue->put(event) ? 1 : 0;
    }};
    Event event{};
    for (uint32_t i = 0; i < total;) {
        if (!queue->take(event)) continue;
        ASSERT_EQ(event.component, i++);
    }
    producer.join();
}

}  // namespace
}  // namespace bulkhead::init
