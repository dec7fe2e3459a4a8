// SPDX-License-Identifier: Apache-2.0
#include "servers/init/machine_clock.hpp"

#include <gtest/gtest.h>

#include <array>

namespace bulkhead::init {
namespace {

using Field = x86::rtc::Register;

/// A chip that can be in the middle of an update, or step on between two reads.
struct FakeChip {
    std::array<uint8_t, 128> registers{};
    unsigned busy_reads = 0;     ///< so many reads of status A see an update in progress
    unsigned steps_after = ~0u;  ///< after so many reads of the second, it changes
    unsigned second_reads = 0;

    uint8_t read(uint8_t index) {
        if (index == Field::StatusA && busy_reads != 0) {
            --busy_reads;
            return 0x80;
        }
        if (index == Field::Second && ++second_reads == steps_after) registers[Field::Second] += 1;
        return registers[index];
    }
};

FakeChip leap_day_chip() {
    FakeChip chip;
    chip.registers[Field::Second] = 0x54;
    chip.registers[Field::Minute] = 0x15;
    chip.registers[Field::Hour] = 0x12;
    chip.registers[Field::Day] = 0x29;
    chip.registers[Field::Month] = 0x02;
    chip.registers[Field::Year] = 0x00;
    chip.registers[Field::Century] = 0x20;
    chip.registers[Field::StatusB] = x86::rtc::StatusBField::Hours24::mask;
    return chip;
}

TEST(MachineClock, ReadsBinaryCodedDecimals) {
    FakeChip chip = leap_day_chip();
    EXPECT_EQ(MachineClock{chip}.seconds(), 951826554u);
}

TEST(MachineClock, ReadsBinaryAndTwelveHours) {
    FakeChip chip = leap_day_chip();
    chip.registers[Field::StatusB] = x86::rtc::StatusBField::Binary::mask;
    chip.registers[Field::Second] = 54;
    chip.registers[Field::Minute] = 15;
    chip.registers[Field::Day] = 29;
    chip.registers[Field::Century] = 20;
    chip.registers[Field::Hour] = 12 | 0x80;  // noon
    EXPECT_EQ(MachineClock{chip}.seconds(), 951826554u);
    chip.registers[Field::Hour] = 12;  // midnight
    EXPECT_EQ(MachineClock{chip}.seconds(), 951826554u - 12 * 3600);
    chip.registers[Field::Hour] = 11 | 0x80;
    EXPECT_EQ(MachineClock{chip}.seconds(), 951826554u + 11 * 3600);
}

TEST(MachineClock, WaitsForAnUpdateToEnd) {
    FakeChip chip = leap_day_chip();
    chip.busy_reads = 100;
    EXPECT_EQ(MachineClock{chip}.seconds(), 951826554u);
}

TEST(MachineClock, ReadsAgainWhenTheTimeStepsOnInBetween) {
    FakeChip chip = leap_day_chip();
    chip.steps_after = 2;
    EXPECT_EQ(MachineClock{chip}.seconds(), 951826555u);
}

TEST(MachineClock, WithoutACenturyItIsOurs) {
    FakeChip chip = leap_day_chip();
    chip.registers[Field::Century] = 0xff;
    EXPECT_EQ(MachineClock{chip}.seconds(), 951826554u);
}

TEST(MachineClock, NoChipAndNonsenseAreNoTime) {
    FakeChip absent;
    absent.registers.fill(0xff);
    EXPECT_EQ(MachineClock{absent}.seconds(), std::nullopt);
    for (const uint8_t index : {Field::Month, Field::Day, Field::Hour, Field::Minute, Field::Second}) {
        FakeChip chip = leap_day_chip();
        chip.registers[index] = 0x99;
        EXPECT_EQ(MachineClock{chip}.seconds(), std::nullopt) << unsigned{index};
    }
}

}  // namespace
}  // namespace bulkhead::init
