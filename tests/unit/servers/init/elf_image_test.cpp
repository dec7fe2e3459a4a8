// SPDX-License-Identifier: Apache-2.0
#include "servers/init/elf_image.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace bulkhead::init {
namespace {

constexpr uint64_t text_address = 0x400000;
constexpr uint64_t data_address = 0x402000;

/// A program of two segments: code, and data with 0x100 bytes in the file and 0x3000 in memory.
struct File {
    Elf64_Ehdr header{};
    Elf64_Phdr segments[2]{};
    size_t size = 0x2100;

    File() {
        std::memcpy(header.e_ident,
                    "\x7f"
                    "ELF\x02\x01\x01",
                    7);
        header.e_type = ET_EXEC;
        header.e_machine = EM_X86_64;
        header.e_entry = text_address + 0x10;
        header.e_phoff = sizeof(header);
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_phnum = 2;
        segments[0] = {PT_LOAD, PF_R | PF_X, 0x1000, text_address, text_address, 0x1000, 0x1000, 0x1000};
        segments[1] = {PT_LOAD, PF_R | PF_W, 0x2000, data_address, data_address, 0x100, 0x3000, 0x1000};
    }
    std::vector<std::byte> bytes() const {
        std::vector<std::byte> result(size);
        std::memcpy(result.data(), &header, sizeof(header));
        std::memcpy(result.data() + sizeof(header), segments, sizeof(segments));
        return result;
    }
};

ElfError error_of(const File& file) {
    const auto bytes = file.bytes();
    const auto image = ElfImage::create(bytes);
    EXPECT_FALSE(image.ok());
    return image.ok() ? ElfError{} : image.error();
}

TEST(ElfImage, ReadsAProgram) {
    const auto bytes = File{}.bytes();
    const auto image = ElfImage::create(bytes);
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(image.value().entry(), text_address + 0x10);
    ASSERT_EQ(image.value().segments().size(), 2u);
    const ElfSegment& text = image.value().segments()[0];
    EXPECT_TRUE(text.executable && !text.writable && text.can_be_shared());
    const ElfSegment& data = image.value().segments()[1];
    EXPECT_TRUE(data.writable && !data.executable && !data.can_be_shared());
    EXPECT_EQ(data.pages_end(), data_address + 0x3000);
    EXPECT_EQ(image.value().content(data).size(), 0x100u);
}

TEST(ElfImage, CodeOffItsPagesIsNotShared) {
    File file;
    file.segments[0].p_offset = 0x1080;
    file.segments[0].p_filesz = file.segments[0].p_memsz = 0xf00;
    const auto bytes = file.bytes();
    const auto image = ElfImage::create(bytes);
    ASSERT_TRUE(image.ok());
    EXPECT_FALSE(image.value().segments()[0].can_be_shared());
}

TEST(ElfImage, RefusesWhatIsNoProgram) {
    EXPECT_EQ(ElfImage::create({}).error(), ElfError::NotElf);
    File file;
    file.header.e_machine = EM_386;
    EXPECT_EQ(error_of(file), ElfError::NotElf);
    file = {};
    file.header.e_type = ET_DYN;
    EXPECT_EQ(error_of(file), ElfError::NotElf);
    file = {};
    file.header.e_phnum = 0;
    EXPECT_EQ(error_of(file), ElfError::NoSegment);
}

TEST(ElfImage, RefusesTablesAndSegmentsOutsideTheFile) {
    File file;
    file.header.e_phoff = UINT64_MAX - 8;
    EXPECT_EQ(error_of(file), ElfError::BadTable);
    file = {};
    file.segments[1].p_offset = UINT64_MAX - 0x10;
    EXPECT_EQ(error_of(file), ElfError::OutsideFile);
    file = {};
    file.segments[1].p_filesz = 0x4000;
    file.segments[1].p_memsz = 0x5000;
    EXPECT_EQ(error_of(file), ElfError::OutsideFile);
    file = {};
    file.segments[1].p_filesz = 0x100;
    file.segments[1].p_memsz = 0x80;
    EXPECT_EQ(error_of(file), ElfError::OutsideFile);
}

TEST(ElfImage, RefusesAddressesThatAreNotForPrograms) {
    for (const uint64_t address : {uint64_t{0}, uint64_t{0x3ff000}, uint64_t{0x4000'0000}, UINT64_MAX - 0x1000}) {
        File file;
        file.segments[1].p_vaddr = address;
        EXPECT_EQ(error_of(file), ElfError::OutsideWindow) << address;
    }
    File file;
    file.segments[1].p_memsz = 0x4000'0000;
    EXPECT_EQ(error_of(file), ElfError::OutsideWindow);
}

TEST(ElfImage, RefusesOverlapEvenWithinAPage) {
    File file;
    file.segments[1].p_vaddr = text_address + 0xfff;
    EXPECT_EQ(error_of(file), ElfError::Overlap);
}

TEST(ElfImage, RefusesWritableCode) {
    File file;
    file.segments[0].p_flags = PF_R | PF_W | PF_X;
    EXPECT_EQ(error_of(file), ElfError::WritableCode);
}

TEST(ElfImage, RefusesAnEntryOutsideOfCode) {
    File file;
    file.header.e_entry = data_address;
    EXPECT_EQ(error_of(file), ElfError::BadEntry);
    file.header.e_entry = text_address + 0x1000;
    EXPECT_EQ(error_of(file), ElfError::BadEntry);
}

TEST(ElfImage, GarbageIsRefusedOrHarmless) {
    std::mt19937_64 random{3};
    for (int round = 0; round < 20'000; ++round) {
        auto bytes = File{}.bytes();
        const int damages = 1 + static_cast<int>(random() % 4);
        for (int i = 0; i < damages; ++i)
            bytes[random() % (sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr))] = static_cast<std::byte>(random());
        bytes.resize(random() % 8 == 0 ? random() % bytes.size() : bytes.size());
        const auto image = ElfImage::create(bytes);
        if (!image.ok()) continue;
        for (const ElfSegment& segment : image.value().segments()) {
            EXPECT_FALSE(segment.writable && segment.executable);
            const auto content = image.value().content(segment);
            if (content.empty()) continue;
            EXPECT_LE(content.data() + content.size(), bytes.data() + bytes.size());
        }
    }
}

}  // namespace
}  // namespace bulkhead::init
