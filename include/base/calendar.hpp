// SPDX-License-Identifier: Apache-2.0
// Dates of the Gregorian calendar, UTC, and seconds since 1970-01-01: what a clock chip tells and what programs count.
#pragma once

#include <cstdint>

namespace bulkhead {

struct CalendarTime {
    unsigned year, month, day, weekday, hour, minute, second;  // weekday: 1 is Sunday
};

namespace calendar {

inline constexpr uint64_t seconds_of_day = 86400;
inline constexpr uint64_t days_of_era = 146097;  ///< 400 years
/// From 0000-03-01 to 1970-01-01. Years are counted from March, so that a leap day is the last of its year.
inline constexpr uint64_t days_before_1970 = 719468;
inline constexpr unsigned days_of_five_months = 153;  ///< March to July, and again August to December

constexpr uint64_t days_before_year(uint64_t year_of_era) {
    return 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
}

}  // namespace calendar

constexpr CalendarTime calendar_time(uint64_t seconds_since_1970) {
    using namespace calendar;
    const uint64_t days = seconds_since_1970 / seconds_of_day;
    const uint64_t in_day = seconds_since_1970 % seconds_of_day;
    const uint64_t shifted = days + days_before_1970;
    const uint64_t era = shifted / days_of_era;
    const uint64_t day_of_era = shifted % days_of_era;
    const uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const uint64_t day_of_year = day_of_era - days_before_year(year_of_era);
    const uint64_t march_month = (5 * day_of_year + 2) / days_of_five_months;
    CalendarTime time{};
    time.day = static_cast<unsigned>(day_of_year - (days_of_five_months * march_month + 2) / 5 + 1);
    time.month = static_cast<unsigned>(march_month < 10 ? march_month + 3 : march_month - 9);
    time.year = static_cast<unsigned>(year_of_era + era * 400 + (time.month <= 2 ? 1 : 0));
    time.weekday = static_cast<unsigned>((days + 4) % 7 + 1);
    time.hour = static_cast<unsigned>(in_day / 3600);
    time.minute = static_cast<unsigned>(in_day / 60 % 60);
    time.second = static_cast<unsigned>(in_day % 60);
    return time;
}

/// The inverse, for dates from 1970 on; the weekday is not looked at.
constexpr uint64_t seconds_since_1970(const CalendarTime& time) {
    using namespace calendar;
    const uint64_t year = time.year - (time.month <= 2 ? 1 : 0);
    const uint64_t march_month = time.month > 2 ? time.month - 3 : time.month + 9;
    const uint64_t day_of_year = (days_of_five_months * march_month + 2) / 5 + time.day - 1;
    const uint64_t days = year / 400 * days_of_era + days_before_year(year % 400) + day_of_year - days_before_1970;
    return days * seconds_of_day + time.hour * 3600u + time.minute * 60u + time.second;
}

static_assert(seconds_since_1970(calendar_time(0)) == 0);
static_assert(seconds_since_1970({2000, 2, 29, 0, 12, 15, 54}) == 951826554);

}  // namespace bulkhead
