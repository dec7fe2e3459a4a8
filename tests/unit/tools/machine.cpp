// SPDX-License-Identifier: Apache-2.0
// Sizes, the choice of a platform from made-up facts, command lines, processes.
#include <gtest/gtest.h>

#include <algorithm>

#include "tools/machine/error.hpp"
#include "tools/machine/launch.hpp"
#include "tools/machine/layout.hpp"
#include "tools/machine/platform.hpp"
#include "tools/machine/process.hpp"
#include "tools/machine/size.hpp"

using namespace bulkhead::tool;

namespace {

HostFacts emulators_only() {
    HostFacts facts;
    facts.qemu_installed = true;
    facts.bochs_installed = true;
    return facts;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

TEST(ParseSize, AcceptsUnits) {
    EXPECT_EQ(parse_size("65536"), 65536U);
    EXPECT_EQ(parse_size("4k"), 4096U);
    EXPECT_EQ(parse_size("512M"), mebibytes(512));
    EXPECT_EQ(parse_size("512MiB"), mebibytes(512));
    EXPECT_EQ(parse_size("2G"), mebibytes(2048));
    EXPECT_EQ(parse_size("2GB"), mebibytes(2048));
}

TEST(ParseSize, RefusesEverythingElse) {
    for (const char* text : {"", "M", "-1", "0", "1.5G", "12X", "1 G", "5Mx", "99999999999G", "184467440737095516160"}) {
        EXPECT_FALSE(parse_size(text)) << text;
    }
}

TEST(FormatSize, IsReadBack) {
    for (const std::uint64_t size : {1ULL, 1023ULL, 4096ULL, 512ULL << 20, 3ULL << 30, 1025ULL << 10}) {
        EXPECT_EQ(parse_size(format_size(size)), size);
    }
    EXPECT_EQ(format_size(mebibytes(512)), "512M");
}

TEST(Platform, NamesAreReadBack) {
    for (const auto platform : all_platforms()) EXPECT_EQ(parse_platform(to_string(platform)), platform);
    EXPECT_FALSE(parse_platform("vmware"));
}

TEST(ChoosePlatform, TakesKvmOnlyWithNestedVirtualization) {
    auto facts = emulators_only();
    facts.kvm_present = facts.kvm_usable = true;
    facts.cpu_has_vmx = true;
    facts.intel_nested = true;
    EXPECT_EQ(choose_platform(facts).platform, Platform::Kvm);
    facts.intel_nested = false;
    EXPECT_EQ(choose_platform(facts).platform, Platform::QemuSvm);
    facts.intel_nested.reset();
    facts.amd_nested = true;  // the module of the other vendor proves nothing
    EXPECT_EQ(choose_platform(facts).platform, Platform::QemuSvm);
    facts.cpu_has_svm = true;
    EXPECT_EQ(choose_platform(facts).platform, Platform::Kvm);
}

TEST(ChoosePlatform, SaysWhyKvmWasNotTaken) {
    auto facts = emulators_only();
    EXPECT_NE(choose_platform(facts).reason.find("no /dev/kvm"), std::string::npos);
    facts.kvm_present = true;
    EXPECT_NE(choose_platform(facts).reason.find("cannot be opened"), std::string::npos);
    facts.kvm_usable = true;
    EXPECT_NE(choose_platform(facts).reason.find("neither VMX nor SVM"), std::string::npos);
}

TEST(ChoosePlatform, FallsBackToBochsThenGivesUp) {
    HostFacts facts;
    facts.bochs_installed = true;
    EXPECT_EQ(choose_platform(facts).platform, Platform::BochsVmx);
    EXPECT_THROW((void)choose_platform(HostFacts{}), Error);
}

TEST(QemuArguments, FollowTheOptions) {
    MachineOptions options;
    options.cpus = 4;
    options.memory_bytes = mebibytes(768);
    options.image = "/tmp/a,b.iso";
    const auto plain = qemu_arguments(options);
    EXPECT_TRUE(contains(plain, "EPYC"));
    EXPECT_TRUE(contains(plain, "768"));
    EXPECT_TRUE(contains(plain, "file=/tmp/a,,b.iso,format=raw,if=ide,media=cdrom,readonly=on"));
    EXPECT_FALSE(contains(plain, "-icount"));
    options.time = MachineTime::Counted;
    options.cpu_model = "max,-la57";
    const auto counted = qemu_arguments(options);
    EXPECT_TRUE(contains(counted, "shift=0,sleep=off"));
    EXPECT_TRUE(contains(counted, "base=2020-01-01,clock=vm"));
    EXPECT_TRUE(contains(counted, "max,-la57"));
    options.time = MachineTime::Skipped;
    EXPECT_TRUE(contains(qemu_arguments(options), "shift=0,sleep=off"));
    EXPECT_FALSE(contains(qemu_arguments(options), "-rtc"));
    options.time = MachineTime::Paced;
    EXPECT_TRUE(contains(qemu_arguments(options), "shift=0,sleep=on"));
    options.platform = Platform::Kvm;
    EXPECT_TRUE(contains(qemu_arguments(options), "kvm"));
    EXPECT_FALSE(contains(qemu_arguments(options), "-icount"));
}

TEST(RunCommand, CollectsOutputAndStatus) {
    const auto output = run_command({"sh", "-c", "echo out; echo err >&2; exit 5"});
    EXPECT_EQ(output.exit_status, 5);
    EXPECT_EQ(output.text, "out\nerr\n");
}

TEST(RunCommand, KillsAtItsTimeLimit) {
    const auto output = run_command({"sh", "-c", "echo begun; sleep 30"}, 1);
    EXPECT_EQ(output.exit_status, 124);
    EXPECT_EQ(output.text, "begun\n");
}

TEST(RunCommand, NamesAMissingProgram) { EXPECT_THROW((void)run_command({"no-such-program-anywhere"}), Error); }

TEST(RunCommand, ReplacesEnvironmentVariables) {
    EXPECT_EQ(run_command({"sh", "-c", "echo $TERM"}, 0, {"TERM=vt100"}).text, "vt100\n");
}

TEST(TemporaryDirectory, IsGoneAfterwards) {
    std::filesystem::path path;
    {
        const TemporaryDirectory directory;
        path = directory.path();
        write_file(path / "file", "x");
        EXPECT_TRUE(std::filesystem::exists(path));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}
