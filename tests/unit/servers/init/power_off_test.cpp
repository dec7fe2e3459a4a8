// SPDX-License-Identifier: Apache-2.0
#include "servers/init/power_off.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace bulkhead::init {
namespace {

namespace acpi = x86::acpi;

/// Some physical memory, in which the tables are built.
std::vector<std::byte> memory;

Bytes view(PhysicalAddress address, size_t size) {
    if (size > memory.size() || address.value() > memory.size() - size) return {};
    return Bytes{memory}.subspan(address.value(), size);
}

constexpr uint64_t rsdt_at = 0x1000, xsdt_at = 0x2000, fadt_at = 0x3000, dsdt_at = 0x4000, other_at = 0x5000;

template <typename T>
void put(uint64_t at, const T& value) {
    std::memcpy(memory.data() + at, &value, sizeof(T));
}

void fix_checksum(uint64_t at, size_t size) {
    constexpr size_t checksum = 9;
    uint8_t sum = 0;
    memory[at + checksum] = std::byte{0};
    for (size_t i = 0; i < size; ++i) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(memory[at + i]));
    memory[at + checksum] = static_cast<std::byte>(-sum);
}

void finish_table(uint64_t at, const char* signature, size_t size) {
    acpi::TableHeader header{};
    std::memcpy(header.signature, signature, sizeof(header.signature));
    header.length = static_cast<uint32_t>(size);
    put(at, header);
    fix_checksum(at, size);
}

class PowerOffTest : public testing::Test {
  protected:
    PowerOffTest() {
        memory.assign(0x6000, std::byte{0});
        put(rsdt_at + sizeof(acpi::TableHeader), std::array<uint32_t, 3>{other_at, fadt_at, 0xffff'fff0});
        finish_table(rsdt_at, "RSDT", sizeof(acpi::TableHeader) + 3 * sizeof(uint32_t));
        put(xsdt_at + sizeof(acpi::TableHeader), std::array<uint64_t, 3>{other_at, uint64_t{1} << 60, fadt_at});
        finish_table(xsdt_at, "XSDT", sizeof(acpi::TableHeader) + 3 * sizeof(uint64_t));
        finish_table(other_at, "MCFG", sizeof(acpi::Fadt));
        set_fadt(0xb004, 0);
        set_aml({0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x01, 0x00, 0x00});
    }
    void set_fadt(uint32_t port_a, uint32_t port_b) {
        acpi::Fadt fadt{};
        fadt.dsdt = dsdt_at;
        fadt.pm1a_control = port_a;
        fadt.pm1b_control = port_b;
        put(fadt_at, fadt);
        finish_table(fadt_at, "FACP", sizeof(fadt));
    }
    void set_aml(const std::vector<uint8_t>& aml) {
        std::memcpy(memory.data() + dsdt_at + sizeof(acpi::TableHeader), aml.data(), aml.size());
        finish_table(dsdt_at, "DSDT", sizeof(acpi::TableHeader) + aml.size());
    }
    static std::optional<PowerOff> find(uint64_t root_table = rsdt_at) {
        return find_power_off(PhysicalAddress{root_table}, view);
    }
};

TEST_F(PowerOffTest, FollowsRsdtAndXsdt) {
    const PowerOff expected{.port_a = 0xb004, .port_b = 0, .command_a = 0x3400, .command_b = 0x2400};
    EXPECT_EQ(find(rsdt_at), expected);
    EXPECT_EQ(find(xsdt_at), expected);
}

TEST_F(PowerOffTest, KnowsSmallIntegersAndLongLengths) {
    set_fadt(0x804, 0x904);
    set_aml({'_', 'S', '5', '_', 0x12, 0x46, 0x00, 0x02, 0x00, 0x0a, 0x07});
    EXPECT_EQ(find(), (PowerOff{.port_a = 0x804, .port_b = 0x904, .command_a = 0x2000, .command_b = 0x3c00}));
    set_aml({'_', 'S', '5', '_', 0x12, 0x46, 0x00, 0x02, 0x00, 0x0b, 0x07, 0x00});  // a word
    EXPECT_EQ(find(), std::nullopt);
}

TEST_F(PowerOffTest, MissingPartsGiveNothing) {
    EXPECT_EQ(find(0), std::nullopt);
    EXPECT_EQ(find(other_at), std::nullopt);
    set_aml({'_', 'S', '5', '_'});
    EXPECT_EQ(find(), std::nullopt);
    set_aml({'_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a});
    EXPECT_EQ(find(), std::nullopt);
    set_aml({'_', 'S', '4', '_', 0x12, 0x06, 0x04, 0x00, 0x00});
    EXPECT_EQ(find(), std::nullopt);
    set_aml({'_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x00, 0x00});
    EXPECT_NE(find(), std::nullopt);
    set_fadt(0, 0);
    EXPECT_EQ(find(), std::nullopt);
    set_fadt(0x1'0000, 0);  // no port
    EXPECT_EQ(find(), std::nullopt);
}

TEST_F(PowerOffTest, WrongChecksumsAreSkipped) {
    for (const uint64_t table : {rsdt_at, fadt_at, dsdt_at}) {
        memory[table + 20] ^= std::byte{1};
        EXPECT_EQ(find(), std::nullopt);
        memory[table + 20] ^= std::byte{1};
        EXPECT_NE(find(), std::nullopt);
    }
}

TEST_F(PowerOffTest, NoiseIsHarmless) {
    std::mt19937 random{11};
    const auto good = memory;
    for (unsigned round = 0; round < 3000; ++round) {
        memory = good;
        for (unsigned i = 0; i < 6; ++i) memory[random() % memory.size()] = static_cast<std::byte>(random());
        for (const uint64_t table : {rsdt_at, fadt_at, dsdt_at}) {
            for (unsigned i = 0; i < 2; ++i) memory[table + random() % 64] = static_cast<std::byte>(random());
            acpi::TableHeader header;
            std::memcpy(&header, memory.data() + table, sizeof(header));
            if (header.length >= sizeof(header) && header.length <= 0x1000) fix_checksum(table, header.length);
        }
        static_cast<void>(find());
    }
}

}  // namespace
}  // namespace bulkhead::init
