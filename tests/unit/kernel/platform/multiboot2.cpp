// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/multiboot2.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace bulkhead::kernel {
namespace {

using x86::MultibootMemoryType;
using x86::MultibootTagType;

/// Builds what a boot loader would leave.
class Loader {
  public:
    Loader() { append(x86::MultibootHeader{}); }
    Loader& tag(MultibootTagType type, const std::string& content) {
        append(x86::MultibootTag{type, static_cast<uint32_t>(sizeof(x86::MultibootTag) + content.size())});
        for (const char c : content) bytes.push_back(static_cast<std::byte>(c));
        while (bytes.size() % 8 != 0) bytes.push_back(std::byte{0xee});
        return *this;
    }
    Loader& module(uint32_t start, uint32_t end, const std::string& text) {
        return tag(MultibootTagType::Module, raw(start) + raw(end) + text + '\0');
    }
    Loader& memory(std::initializer_list<x86::MultibootMemoryEntry> entries) {
        std::string content = raw(uint32_t{sizeof(x86::MultibootMemoryEntry)}) + raw(uint32_t{0});
        for (const auto& entry : entries) content += raw(entry);
        return tag(MultibootTagType::MemoryMap, content);
    }
    Loader& end() { return tag(MultibootTagType::End, ""); }

    MultibootInformation parse() const {
        MultibootInformation result;
        parse_multiboot(bytes, result);
        return result;
    }
    std::vector<std::byte> bytes;

  private:
    template <typename T>
    static std::string raw(const T& value) {
        return {reinterpret_cast<const char*>(&value), sizeof(T)};
    }
    template <typename T>
    void append(const T& value) {
        const auto* start = reinterpret_cast<const std::byte*>(&value);
        bytes.insert(bytes.end(), start, start + sizeof(T));
    }
};

TEST(Multiboot2, ReadsModulesAndTheirText) {
    const auto result =
        Loader{}.module(0x20'0000, 0x20'1234, "  init  first second").module(0x30'0000, 0x30'0001, "").end().parse();
    ASSERT_EQ(result.modules.size(), 2u);
    EXPECT_EQ(result.modules[0].entry.size_bytes, 0x1234u);
    EXPECT_EQ(result.modules[0].physical, *Range::create(0x20'0000, 0x1234));
    EXPECT_EQ(std::string_view{result.modules[0].entry.name}, "init");
    EXPECT_EQ(std::string_view{result.modules[0].entry.arguments}, "first second");
    EXPECT_EQ(std::string_view{result.modules[1].entry.name}, "");
}

TEST(Multiboot2, LongTextIsCut) {
    const auto result =
        Loader{}.module(0x1000, 0x2000, std::string(500, 'n') + ' ' + std::string(500, 'a')).end().parse();
    EXPECT_EQ(std::string_view{result.modules[0].entry.name}, std::string(47, 'n'));
    EXPECT_EQ(std::string_view{result.modules[0].entry.arguments}, std::string(191, 'a'));
}

TEST(Multiboot2, SkipsModulesThatCannotBe) {
    const auto result = Loader{}.module(0x3000, 0x2000, "backwards").module(0x1001, 0x2000, "unaligned").end().parse();
    EXPECT_EQ(result.modules.size(), 0u);
}

TEST(Multiboot2, CountsModulesItHasNoPlaceFor) {
    Loader loader;
    for (uint32_t i = 0; i < abi::max_root_modules + 3; ++i) loader.module((i + 1) << 12, (i + 2) << 12, "m");
    const auto result = loader.end().parse();
    EXPECT_EQ(result.modules.size(), abi::max_root_modules);
    EXPECT_EQ(result.dropped_modules, 3u);
}

TEST(Multiboot2, ReservedWinsOverAvailable) {
    const auto result = Loader{}
                            .memory({{0x0, 0x10'0000, MultibootMemoryType::Available, 0},
                                     {0x8'0000, 0x1'0000, MultibootMemoryType::Reserved, 0},
                                     {0x20'0000, 0x1000, MultibootMemoryType::AcpiReclaimable, 0},
                                     {UINT64_MAX - 5, 100, MultibootMemoryType::Available, 0}})
                            .end()
                            .parse();
    EXPECT_EQ(result.available.total_bytes(), 0xf'0000u);
}

TEST(Multiboot2, FindsCommandLineAndRootPointer) {
    const auto loader = Loader{}
                            .tag(MultibootTagType::CommandLine, std::string{"quiet\0", 6})
                            .tag(MultibootTagType::AcpiOldRoot, "old")
                            .tag(MultibootTagType::AcpiNewRoot, "new")
                            .end();
    const auto result = loader.parse();
    EXPECT_EQ(std::string_view{result.command_line}, "quiet");
    ASSERT_EQ(result.root_pointer.size(), 3u);
    EXPECT_EQ(std::memcmp(result.root_pointer.data(), "new", 3), 0);
}

TEST(Multiboot2, TruncationAndNoiseAreHarmless) {
    const auto whole = Loader{}
                           .module(0x1000, 0x2000, "module text")
                           .memory({{0, 0x10'0000, MultibootMemoryType::Available, 0}})
                           .tag(MultibootTagType::CommandLine, "no end")
                           .end();
    for (std::size_t size = 0; size <= whole.bytes.size(); ++size) {
        // A copy of exactly this size, so that the sanitizer sees any read behind it.
        const std::vector<std::byte> part(whole.bytes.begin(), whole.bytes.begin() + static_cast<long>(size));
        MultibootInformation result;
        parse_multiboot(part, result);
    }
    std::mt19937 random{3};
    for (unsigned round = 0; round < 20'000; ++round) {
        auto noisy = whole.bytes;
        for (unsigned i = 0; i < 4; ++i) noisy[random() % noisy.size()] = static_cast<std::byte>(random());
        MultibootInformation result;
        parse_multiboot(noisy, result);
    }
}

}  // namespace
}  // namespace bulkhead::kernel
