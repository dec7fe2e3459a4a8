// SPDX-License-Identifier: Apache-2.0
// The options of `bulkhead run` that replace parts of the guest, seen from inside of the guest that they made.
#include <gtest/gtest.h>

#include <filesystem>

#include "tools/image/cpio.hpp"
#include "tools/machine/layout.hpp"
#include "tools/machine/process.hpp"

using namespace bulkhead::tool;

namespace {

/// `bulkhead run --on qemu-svm` with more words.
Output run(std::vector<std::string> options) {
    const auto tool = find_layout().build / "tools" / "bulkhead" / "bulkhead";
    options.insert(options.begin(), {tool.string(), "run", "--on", "qemu-svm", "--timeout", "200"});
    return run_command(options, 240);
}

}  // namespace

TEST(RunOptions, KernelInitrdMemoryCpusAndCommandLineAreTheGuests) {
    const TemporaryDirectory directory;
    const auto guests = find_layout().guests();
    const auto kernel = directory.path() / "a kernel";
    const auto initrd = directory.path() / "an initrd";
    std::filesystem::copy_file(guests / "linux-cloud" / "vmlinuz", kernel);
    CpioArchive more;
    more.add_file("marker", "of this test\n", 0644);
    write_file(initrd, join_archives(read_file(guests / "linux-cloud" / "initrd"), std::move(more).finish()));

    const auto output = run({"--kernel", kernel.string(), "--initrd", initrd.string(), "--memory", "192M", "--cpus", "2",
                             "--cmdline", "console=ttyS0 quiet loglevel=3 word=7", "--exec",
                             "cat /marker; nproc; grep -o word=7 /proc/cmdline;"
                             "awk '/MemTotal/ { print ($2 > 128 * 1024 && $2 < 192 * 1024) }' /proc/meminfo; exit 5"});
    EXPECT_EQ(output.exit_status, 5) << output.text;
    EXPECT_NE(output.text.find("of this test\n2\nword=7\n1\n"), std::string::npos) << output.text;
}

TEST(RunOptions, WhatCannotBeIsRefusedByName) {
    const auto no_file = run({"--kernel", "/no/such/kernel", "--exec", "true"});
    EXPECT_EQ(no_file.exit_status, 125) << no_file.text;
    EXPECT_NE(no_file.text.find("/no/such/kernel"), std::string::npos) << no_file.text;
    const auto no_size = run({"--memory", "lots", "--exec", "true"});
    EXPECT_EQ(no_size.exit_status, 125) << no_size.text;
    EXPECT_NE(no_size.text.find("lots"), std::string::npos) << no_size.text;
    const auto too_many = run({"--cpus", "5", "--exec", "true"});
    EXPECT_EQ(too_many.exit_status, 125) << too_many.text;
    EXPECT_NE(too_many.text.find("--cpus"), std::string::npos) << too_many.text;
}
