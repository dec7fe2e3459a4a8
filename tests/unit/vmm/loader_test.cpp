// SPDX-License-Identifier: Apache-2.0
// ACPI tables (checked by iasl where it is installed), memory map and the bzImage loader.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "ram.hpp"
#include "vmm/loader/acpi.hpp"
#include "vmm/loader/e820.hpp"
#include "vmm/loader/linux.hpp"
#include "vmm/vm/layout.hpp"

namespace bulkhead::vmm {
namespace {

using test::Ram;
constexpr uint64_t mib = 1 << 20;

unsigned sum(const std::byte* bytes, std::size_t size) {
    unsigned total = 0;
    for (std::size_t i = 0; i < size; ++i) total += static_cast<unsigned>(bytes[i]);
    return total & 0xff;
}

TEST(Acpi, TablesHangTogether) {
    std::vector<std::byte> buffer(Layout::acpi_tables_bytes);
    const auto size = build_acpi_tables(buffer, GuestPhysicalAddress{Layout::acpi_tables}, {.vcpu_count = 4});
    ASSERT_TRUE(size);
    EXPECT_LT(size.value(), 4096u);
    EXPECT_EQ(std::memcmp(buffer.data(), "RSD PTR ", 8), 0);
    EXPECT_EQ(sum(buffer.data(), 20), 0u);
    EXPECT_EQ(sum(buffer.data(), 36), 0u);
    const auto at = [&](uint64_t address) { return buffer.data() + (address - Layout::acpi_tables); };
    const auto load = [](const std::byte* place, auto value) {
        std::memcpy(&value, place, sizeof(value));
        return value;
    };
    const std::byte* xsdt = at(load(buffer.data() + 24, uint64_t{}));
    EXPECT_EQ(std::memcmp(xsdt, "XSDT", 4), 0);
    const char* const names[] = {"FACP", "APIC", "MCFG"};
    for (unsigned index = 0; index < 3; ++index) {
        const std::byte* table = at(load(xsdt + 36 + index * 8, uint64_t{}));
        EXPECT_EQ(std::memcmp(table, names[index], 4), 0);
        EXPECT_EQ(sum(table, load(table + 4, uint32_t{})), 0u);
    }
    const std::byte* fadt = at(load(xsdt + 36, uint64_t{}));
    EXPECT_EQ(load(fadt + 109, uint16_t{}), 4u);
    EXPECT_NE(load(fadt + 112, uint32_t{}) & 1u << 20, 0u);
    const std::byte* dsdt = at(load(fadt + 140, uint64_t{}));
    EXPECT_EQ(std::memcmp(dsdt, "DSDT", 4), 0);
    EXPECT_EQ(sum(dsdt, load(dsdt + 4, uint32_t{})), 0u);
}

TEST(Acpi, SaysWhenThereIsNoRoom) {
    for (std::size_t room = 0; room < 1200; room += 7) {
        std::vector<std::byte> buffer(room + 36);
        const auto size = build_acpi_tables(buffer, GuestPhysicalAddress{Layout::acpi_tables}, {.vcpu_count = 4});
        if (size) {
            EXPECT_LE(size.value(), buffer.size());
        }
    }
}

TEST(Acpi, IaslReadsTheDsdt) {
    if (std::system("command -v iasl >/dev/null 2>&1") != 0) GTEST_SKIP() << "iasl (package acpica-tools) is not installed";
    for (unsigned count : {1u, 4u}) {
        std::vector<std::byte> buffer(8192);
        const auto size = build_dsdt(buffer, {.vcpu_count = count});
        ASSERT_TRUE(size);
        const auto folder = std::filesystem::temp_directory_path() / ("bulkhead-dsdt-" + std::to_string(getpid()));
        std::filesystem::create_directory(folder);
        std::ofstream{folder / "dsdt.aml", std::ios::binary}.write(reinterpret_cast<const char*>(buffer.data()),
                                                                  static_cast<std::streamsize>(size.value()));
        // Disassemble, then compile what came out: errors and warnings fail.
        const std::string command = "cd " + folder.string() + " && iasl -d dsdt.aml >d.log 2>&1 && iasl -we dsdt.dsl >c.log 2>&1";
        EXPECT_EQ(std::system(command.c_str()), 0) << "see " << folder;
        std::ifstream file{folder / "dsdt.dsl"};
        const std::string text{std::istreambuf_iterator<char>{file}, {}};
        for (const char* part : {"PCI0", "PNP0A08", "PNP0501", "ACPI0013", "_EVT", "Notify (PWRB, 0x80)", "_S5", "ACPI0007"}) {
            EXPECT_NE(text.find(part), std::string::npos) << part;
        }
        if (!testing::Test::HasFailure()) std::filesystem::remove_all(folder);
    }
}

TEST(E820, HoleAndOrder) {
    Ram ram{0xa0000};
    ram.add(2 * mib, 0x1'0000'0000);
    ram.add(4 * mib - 0xc0000, 0xc0000);
    const E820Map map = make_e820(ram.memory());
    ASSERT_EQ(map.size(), 5u);
    EXPECT_EQ(map[0].size_bytes, 0x9fc00u);
    EXPECT_EQ(map[1].start, 0x9fc00u);
    EXPECT_EQ(map[1].type, E820Type::Reserved);
    EXPECT_EQ(map[2].start, 0x100000u);
    EXPECT_EQ(map[2].size_bytes, 3 * mib);
    EXPECT_EQ(map[3].start, Layout::ecam);
    EXPECT_EQ(map[4].start, 0x1'0000'0000u);
}

/// A bzImage with a plausible header.
struct FakeKernel {
    FakeKernel() : bytes(0x3000 + 5 * 512) {
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
        put<uint8_t>(0x1f1, 4);
        put<uint8_t>(0x201, 0x6a);
        put<uint32_t>(0x202, 0x53726448);
        put<uint16_t>(0x206, 0x020f);
        put<uint8_t>(0x211, 1);
        put<uint32_t>(0x22c, 0x7fffffff);
        put<uint32_t>(0x230, 0x200000);
        put<uint8_t>(0x234, 1);
        put<uint16_t>(0x236, 0x7f);
        put<uint32_t>(0x238, 2047);
        put<uint64_t>(0x258, 0x1000000);
        put<uint32_t>(0x260, 0x400000);
    }
    template <typename T>
    void put(std::size_t place, T value) {
        std::memcpy(bytes.data() + place, &value, sizeof(T));
    }
    Result<LinuxEntry, LinuxError> load(GuestMemory& memory, std::span<const std::byte> initrd = {}, std::string_view line = "quiet") {
        return load_linux(memory, {bytes, initrd, line}, GuestPhysicalAddress{0xe0000});
    }
    std::vector<std::byte> bytes;
};

TEST(Linux, LoadsWhereTheKernelPrefers) {
    Ram ram{0xa0000};
    ram.add(32 * mib, 0x100000);
    FakeKernel kernel;
    std::vector<std::byte> initrd(5000, std::byte{0x5a});
    const auto entry = kernel.load(ram.memory(), initrd);
    ASSERT_TRUE(entry) << describe(entry.error());
    EXPECT_EQ(entry.value().instruction.value(), 0x1000200u);
    EXPECT_EQ(ram.at<uint8_t>(0x1000000), static_cast<uint8_t>(5 * 512 * 7));
    EXPECT_EQ(entry.value().initrd.value(), 33 * mib - 8192);
    EXPECT_EQ(ram.at<uint8_t>(entry.value().initrd.value() + 4999), 0x5a);
    const uint64_t page = entry.value().boot_parameters.value();
    EXPECT_EQ(ram.at<uint32_t>(page + 0x202), 0x53726448u);
    EXPECT_EQ(ram.at<uint64_t>(page + 0x70), 0xe0000u);
    EXPECT_EQ(ram.at<uint32_t>(page + 0x21c), 5000u);
    EXPECT_EQ(ram.at<uint8_t>(page + 0x1e8), 4);
    EXPECT_EQ(ram.at<uint8_t>(Layout::command_line + 4), 't');
    EXPECT_EQ(ram.at<uint64_t>(Layout::page_tables), 0x5003u);
    EXPECT_EQ(ram.at<uint64_t>(0x6000 + 8 * 8), 0x1000083u);
}

TEST(Linux, MovesTheKernelIfItMust) {
    Ram ram{0xa0000};
    ram.add(8 * mib, 0x100000);
    FakeKernel kernel;
    const auto entry = kernel.load(ram.memory());
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry.value().kernel.value(), 0x200000u);
    kernel.put<uint8_t>(0x234, 0);
    EXPECT_EQ(kernel.load(ram.memory()).error(), LinuxError::KernelDoesNotFit);
}

TEST(Linux, SaysWhatIsWrong) {
    Ram ram{0xa0000};
    ram.add(32 * mib, 0x100000);
    const auto error = [&](auto change) {
        FakeKernel kernel;
        change(kernel);
        return kernel.load(ram.memory()).error();
    };
    EXPECT_EQ(error([](FakeKernel& k) { k.bytes.clear(); }), LinuxError::NoKernel);
    EXPECT_EQ(error([](FakeKernel& k) { k.bytes.resize(100); }), LinuxError::TooSmall);
    EXPECT_EQ(error([](FakeKernel& k) { k.put<uint32_t>(0x202, 0); }), LinuxError::NotLinux);
    EXPECT_EQ(error([](FakeKernel& k) { k.put<uint16_t>(0x206, 0x20b); }), LinuxError::OldProtocol);
    EXPECT_EQ(error([](FakeKernel& k) { k.put<uint16_t>(0x236, 0); }), LinuxError::No64BitEntry);
    EXPECT_EQ(error([](FakeKernel& k) { k.bytes.resize(5 * 512); }), LinuxError::Truncated);
    EXPECT_EQ(error([](FakeKernel& k) { k.put<uint32_t>(0x230, 3); }), LinuxError::BadHeader);
    EXPECT_EQ(error([](FakeKernel& k) { k.put<uint64_t>(0x258, ~uint64_t{0}); }), LinuxError::BadHeader);
    EXPECT_EQ(error([](FakeKernel& k) { k.put<uint8_t>(0x201, 0xff); }), LinuxError::BadHeader);
    EXPECT_EQ(error([](FakeKernel& k) { k.put<uint32_t>(0x260, 0xffffffff); }), LinuxError::KernelDoesNotFit);
    FakeKernel kernel;
    EXPECT_EQ(kernel.load(ram.memory(), std::vector<std::byte>(40 * mib)).error(), LinuxError::InitrdDoesNotFit);
    EXPECT_EQ(kernel.load(ram.memory(), {}, std::string(3000, 'x')).error(), LinuxError::CommandLineTooLong);
    Ram high{32 * mib, 0x100000};
    EXPECT_EQ(kernel.load(high.memory()).error(), LinuxError::NoLowMemory);
    for (unsigned index = 0; index < static_cast<unsigned>(LinuxError::Count); ++index) {
        EXPECT_GT(describe(static_cast<LinuxError>(index)).size(), 20u);
    }
}

TEST(Linux, SurvivesGarbageHeaders) {
    Ram ram{0xa0000};
    ram.add(32 * mib, 0x100000);
    std::mt19937_64 random{11};
    std::vector<std::byte> initrd(3 * mib);
    for (int round = 0; round < 3000; ++round) {
        FakeKernel kernel;
        for (int change = 0; change < 4; ++change) kernel.put<uint32_t>(0x1f1 + random() % 0x90, static_cast<uint32_t>(random()));
        (void)kernel.load(ram.memory(), initrd);
    }
}

}  // namespace
}  // namespace bulkhead::vmm
