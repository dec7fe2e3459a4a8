// SPDX-License-Identifier: Apache-2.0
// Archives, GRUB's configuration, ELF sections.
#include <gtest/gtest.h>

#include "tools/image/cpio.hpp"
#include "tools/image/elf_file.hpp"
#include "tools/image/iso.hpp"
#include "tools/machine/error.hpp"
#include "tools/machine/layout.hpp"

using namespace bulkhead::tool;

TEST(CpioArchive, WritesTheNewcFormat) {
    CpioArchive archive;
    archive.add_directory("d");
    archive.add_file("d/f", "abc", 0600);
    const auto bytes = std::move(archive).finish();
    EXPECT_EQ(bytes.size() % 4, 0U);
    EXPECT_EQ(bytes.substr(0, 22), "0707010000000100" "0041ED");
    // The name begins 110 bytes into a header, padded with it to a multiple of 4.
    EXPECT_EQ(bytes.substr(110, 2), std::string("d\0", 2));
    EXPECT_EQ(bytes.substr(112 + 110, 4), std::string("d/f\0", 4));
    EXPECT_EQ(bytes.substr(112 + 116, 4), std::string("abc\0", 4));
    EXPECT_NE(bytes.find("TRAILER!!!"), std::string::npos);
}

TEST(CpioArchive, JoinsOnAMultipleOfFour) {
    EXPECT_EQ(join_archives("12345", "x"), std::string("12345\0\0\0x", 9));
    EXPECT_EQ(join_archives("1234", "x"), "1234x");
}

TEST(GrubConfiguration, NamesModulesByNumberAndQuotesWords) {
    const BootImage image{"kernel", "console=com1  a'b", {{"init", "x"}, {"vm/initrd", "y", "one two"}}};
    EXPECT_EQ(grub_configuration(image),
              "serial --unit=0 --speed=115200\n"
              "terminfo serial dumb\n"
              "terminal_output serial\n"
              "multiboot2 /kernel 'console=com1' 'a'\\''b'\n"
              "module2 /module/0 'init'\n"
              "module2 /module/1 'vm/initrd' 'one' 'two'\n"
              "boot\n");
}

TEST(ElfSection, ReadsASectionOfThisVeryBinary) {
    const auto names = elf_section("/proc/self/exe", ".interp");
    ASSERT_TRUE(names);
    EXPECT_NE(names->find("ld-linux"), std::string::npos);
    EXPECT_FALSE(elf_section("/proc/self/exe", ".no-such-section"));
}

TEST(ElfSection, RefusesWhatIsNoElf) {
    const TemporaryDirectory directory;
    write_file(directory.path() / "text", "hello");
    EXPECT_THROW((void)elf_section(directory.path() / "text", ".interp"), Error);
    write_file(directory.path() / "cut", read_file("/proc/self/exe").substr(0, 3000));
    EXPECT_THROW((void)elf_section(directory.path() / "cut", ".interp"), Error);
}

TEST(SplitStrings, DropsPadding) {
    EXPECT_EQ(split_strings(std::string("one\0two\0\0\0three\0", 16)), (std::vector<std::string>{"one", "two", "three"}));
    EXPECT_TRUE(split_strings("").empty());
}
