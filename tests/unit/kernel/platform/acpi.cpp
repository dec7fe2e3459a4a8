// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/acpi.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "hw/x86/acpi.hpp"

namespace bulkhead::kernel {
namespace {

namespace acpi = x86::acpi;

/// One MiB of physical memory, in which the tables are built.
std::vector<std::byte> memory;

Bytes view(PhysicalAddress address, std::size_t size) {
    if (size > memory.size() || address.value() > memory.size() - size) return {};
    return Bytes{memory}.subspan(address.value(), size);
}

template <typename T>
void put(uint64_t at, const T& value) {
    std::memcpy(memory.data() + at, &value, sizeof(T));
}
constexpr std::size_t root_checksum = 8, table_checksum = 9;  // their offsets
constexpr std::size_t root_bytes = 36;                        // of the root pointer since revision 2

void fix_checksum(uint64_t at, std::size_t size, std::size_t checksum_offset) {
    uint8_t sum = 0;
    memory[at + checksum_offset] = std::byte{0};
    for (std::size_t i = 0; i < size; ++i) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(memory[at + i]));
    memory[at + checksum_offset] = static_cast<std::byte>(-sum);
}
void finish_table(uint64_t at, const char* signature, uint32_t size) {
    auto* header = reinterpret_cast<acpi::TableHeader*>(memory.data() + at);
    std::memcpy(header->signature, signature, 4);
    header->length = size;
    fix_checksum(at, size, table_checksum);
}

constexpr uint64_t root_at = 0xe'0010, rsdt_at = 0x1000, xsdt_at = 0x2000, madt_at = 0x3000, fadt_at = 0x4000,
                   mcfg_at = 0x6000;

class AcpiTest : public testing::Test {
  protected:
    AcpiTest() {
        memory.assign(1u << 20, std::byte{0});
        build_madt();
        build_fadt();
        build_mcfg();
        build_roots(0);
    }

    void build_madt() {
        uint64_t at = madt_at + sizeof(acpi::Madt);
        const auto add = [&](auto entry) {
            entry.entry.length = sizeof(entry);
            put(at, entry);
            at += sizeof(entry);
        };
        put(madt_at, acpi::Madt{.header = {}, .local_apic_address = 0xfee0'1000, .flags = 1});
        add(acpi::MadtLocalApic{
            .entry = {acpi::MadtEntry::local_apic, 0}, .processor_uid = 0, .apic_id = 0, .flags = 1});
        add(acpi::MadtLocalApic{
            .entry = {acpi::MadtEntry::local_apic, 0}, .processor_uid = 1, .apic_id = 4, .flags = 1});
        add(acpi::MadtLocalApic{
            .entry = {acpi::MadtEntry::local_apic, 0}, .processor_uid = 2, .apic_id = 6, .flags = 0});
        add(acpi::MadtLocalX2Apic{.entry = {acpi::MadtEntry::local_x2apic, 0},
                                  .reserved = 0,
                                  .apic_id = 300,
                                  .flags = 1,
                                  .processor_uid = 3});
        add(acpi::MadtLocalX2Apic{
            .entry = {acpi::MadtEntry::local_x2apic, 0}, .reserved = 0, .apic_id = 4, .flags = 1, .processor_uid = 1});
        add(acpi::MadtIoApic{.entry = {acpi::MadtEntry::io_apic, 0},
                             .id = 1,
                             .reserved = 0,
                             .address = 0xfec0'0000,
                             .first_interrupt = 0});
        add(acpi::MadtInterruptOverride{.entry = {acpi::MadtEntry::interrupt_override, 0},
                                        .bus = 0,
                                        .source = 0,
                                        .global_interrupt = 2,
                                        .flags = 0});
        add(acpi::MadtInterruptOverride{.entry = {acpi::MadtEntry::interrupt_override, 0},
                                        .bus = 0,
                                        .source = 9,
                                        .global_interrupt = 9,
                                        .flags = 0xf});
        finish_table(madt_at, "APIC", static_cast<uint32_t>(at - madt_at));
    }
    void build_fadt() {
        acpi::Fadt fadt{};
        fadt.pm_timer = 0xb008;
        put(fadt_at, fadt);
        finish_table(fadt_at, "FACP", sizeof(fadt));
    }
    void build_mcfg() {
        finish_table(mcfg_at, "MCFG", sizeof(acpi::TableHeader) + 24);  // not for the kernel
    }
    void build_roots(uint8_t revision) {
        const uint32_t tables[] = {madt_at, fadt_at, mcfg_at, 0xffff'fff0, 0};
        put(rsdt_at + sizeof(acpi::TableHeader), tables);
        finish_table(rsdt_at, "RSDT", sizeof(acpi::TableHeader) + sizeof(tables));
        const uint64_t wide_tables[] = {madt_at, uint64_t{1} << 60, fadt_at};
        put(xsdt_at + sizeof(acpi::TableHeader), wide_tables);
        finish_table(xsdt_at, "XSDT", sizeof(acpi::TableHeader) + sizeof(wide_tables));
        put(root_at, acpi::RootPointer{.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
                                       .unused_08 = {},
                                       .revision = revision,
                                       .rsdt = rsdt_at});
        put(root_at + acpi::RootPointer::xsdt_offset, xsdt_at);
        fix_checksum(root_at, sizeof(acpi::RootPointer), root_checksum);
    }
    AcpiInformation parse() {
        AcpiInformation result;
        parse_acpi(view(PhysicalAddress{root_at}, root_bytes), view, result);
        return result;
    }
};

TEST_F(AcpiTest, FindsProcessorsOnceAndOnlyEnabledOnes) {
    const auto result = parse();
    ASSERT_EQ(result.apic_ids.size(), 3u);
    EXPECT_EQ(result.apic_ids[0], 0u);
    EXPECT_EQ(result.apic_ids[1], 4u);
    EXPECT_EQ(result.apic_ids[2], 300u);
    EXPECT_EQ(result.local_apic.value(), 0xfee0'1000u);
}

TEST_F(AcpiTest, FindsInterruptControllersAndOverrides) {
    const auto result = parse();
    ASSERT_EQ(result.io_apics.size(), 1u);
    EXPECT_EQ(result.io_apics[0].address, 0xfec0'0000u);
    ASSERT_EQ(result.overrides.size(), 2u);
    EXPECT_EQ(result.overrides[0].global_interrupt, 2u);
    EXPECT_FALSE(result.overrides[0].level);
    EXPECT_TRUE(result.overrides[1].level);
    EXPECT_TRUE(result.overrides[1].active_low);
}

TEST_F(AcpiTest, FindsTheTimer) {
    const auto result = parse();
    EXPECT_EQ(result.pm_timer_port, 0xb008);
    EXPECT_FALSE(result.pm_timer_32_bits);
}

TEST_F(AcpiTest, PrefersTheXsdt) {
    build_roots(2);
    const auto result = parse();
    EXPECT_EQ(result.apic_ids.size(), 3u);
    EXPECT_EQ(result.root_table.value(), xsdt_at);
}

TEST_F(AcpiTest, FallsBackToTheRsdtWhenTheXsdtIsDamaged) {
    build_roots(2);
    memory[xsdt_at + 40] ^= std::byte{1};
    const auto result = parse();
    EXPECT_EQ(result.apic_ids.size(), 3u);
    EXPECT_EQ(result.root_table.value(), rsdt_at);
}

TEST_F(AcpiTest, WrongChecksumsAreSkipped) {
    memory[madt_at + 50] ^= std::byte{1};
    const auto result = parse();
    EXPECT_EQ(result.apic_ids.size(), 0u);
    EXPECT_EQ(result.pm_timer_port, 0xb008);
    memory[root_at + 9] ^= std::byte{1};
    EXPECT_EQ(parse().root_table.value(), 0u);
}

TEST_F(AcpiTest, EntriesThatRunOverTheEndAreSkipped) {
    reinterpret_cast<acpi::MadtEntry*>(memory.data() + madt_at + sizeof(acpi::Madt))->length = 255;
    finish_table(madt_at, "APIC", sizeof(acpi::Madt) + 100);
    EXPECT_EQ(parse().apic_ids.size(), 0u);
    reinterpret_cast<acpi::MadtEntry*>(memory.data() + madt_at + sizeof(acpi::Madt))->length = 0;
    finish_table(madt_at, "APIC", sizeof(acpi::Madt) + 100);
    EXPECT_EQ(parse().apic_ids.size(), 0u);
}

TEST_F(AcpiTest, MoreProcessorsThanWeCanHoldAreCounted) {
    uint64_t at = madt_at + sizeof(acpi::Madt);
    for (unsigned id = 0; id < max_cpus + 10; ++id, at += sizeof(acpi::MadtLocalApic)) {
        put(at, acpi::MadtLocalApic{.entry = {acpi::MadtEntry::local_apic, sizeof(acpi::MadtLocalApic)},
                                    .processor_uid = 0,
                                    .apic_id = static_cast<uint8_t>(id),
                                    .flags = 1});
    }
    finish_table(madt_at, "APIC", static_cast<uint32_t>(at - madt_at));
    const auto result = parse();
    EXPECT_EQ(result.apic_ids.size(), max_cpus);
    EXPECT_EQ(result.dropped_processors, 10u);
}

TEST_F(AcpiTest, NoiseIsHarmless) {
    std::mt19937 random{11};
    const auto good = memory;
    for (unsigned round = 0; round < 3000; ++round) {
        memory = good;
        for (unsigned i = 0; i < 6; ++i) memory[rsdt_at + random() % 0x6000] = static_cast<std::byte>(random());
        for (const uint64_t at : {rsdt_at, madt_at, fadt_at, mcfg_at}) {
            const auto size =
                std::min<uint32_t>(reinterpret_cast<acpi::TableHeader*>(memory.data() + at)->length, 0x1000);
            if (size >= sizeof(acpi::TableHeader)) fix_checksum(at, size, table_checksum);
        }
        AcpiInformation result;
        parse_acpi(view(PhysicalAddress{root_at}, root_bytes), view, result);
    }
}

}  // namespace
}  // namespace bulkhead::kernel
