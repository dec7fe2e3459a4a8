// SPDX-License-Identifier: Apache-2.0
#include "base/calendar.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace bulkhead {
namespace {

TEST(Calendar, KnownDates) {
    const CalendarTime start = calendar_time(0);
    EXPECT_EQ(start.year, 1970u);
    EXPECT_EQ(start.weekday, 5u);
    const CalendarTime leap = calendar_time(951826554);  // 2000-02-29 12:15:54
    EXPECT_EQ(leap.year * 10000 + leap.month * 100 + leap.day, 20000229u);
    EXPECT_EQ(leap.hour * 10000 + leap.minute * 100 + leap.second, 121554u);
    const CalendarTime late = calendar_time(4102444799);  // 2099-12-31 23:59:59
    EXPECT_EQ(late.year * 10000 + late.month * 100 + late.day, 20991231u);
}

/// Every day of 300 years, at another time of the day each, against the C library.
TEST(Calendar, AgreesWithTheLibrary) {
    for (uint64_t day = 0; day < 300 * 366; ++day) {
        const uint64_t seconds = day * 86400 + day * 7919 % 86400;
        const CalendarTime ours = calendar_time(seconds);
        const auto value = static_cast<time_t>(seconds);
        std::tm theirs{};
        ASSERT_NE(gmtime_r(&value, &theirs), nullptr);
        ASSERT_EQ(ours.year, static_cast<unsigned>(theirs.tm_year + 1900)) << seconds;
        ASSERT_EQ(ours.month, static_cast<unsigned>(theirs.tm_mon + 1)) << seconds;
        ASSERT_EQ(ours.day, static_cast<unsigned>(theirs.tm_mday)) << seconds;
        ASSERT_EQ(ours.weekday, static_cast<unsigned>(theirs.tm_wday + 1)) << seconds;
        ASSERT_EQ(ours.hour, static_cast<unsigned>(theirs.tm_hour)) << seconds;
        ASSERT_EQ(seconds_since_1970(ours), seconds);
    }
}

}  // namespace
}  // namespace bulkhead
