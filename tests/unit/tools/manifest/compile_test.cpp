// SPDX-License-Identifier: Apache-2.0
// Right manifests: what their images say, read back with the reader that init uses.
#include "tools/manifest/compile.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "protocol/manifest.hpp"

namespace bulkhead::manifest {
namespace {

using namespace protocol;

constexpr std::string_view example = R"(
name = "example"
[machine]
memory = "1G"
cpus = 2

[domain.uart]
program = "uart"
memory = "256K"
cpus = "all"
priority = 200
restart = { policy = "always", limit = 3, within = "5s" }
heartbeat = "2s"
provides = ["uart"]
devices = [{ name = "ports", ports = "3f8-3ff" }, { name = "interrupt", interrupt = 4, trigger = "edge-high" }]

[domain.console]
program = "console"
state = "1M"
cpus = "all"
budget = "2ms"
period = "10ms"
provides = ["console"]
uses = ["uart"]
may = ["read-log", "halt"]

[vm.zebra]
memory = "256M"
cpus = [1, 0]
kernel = "a/vmlinuz"
initrd = "a/initrd"
cmdline = "console=ttyS0"
on-power-off = "stop"

[vm.ant]
memory = "128M"
kernel = "a/vmlinuz"
console = false
profile = "micro"

[[chaos]]
kill = "vmm:zebra"
count = 10
interval = "500ms"
)";

struct Compiled {
    CompileResult result;
    std::vector<uint64_t> aligned;

    explicit Compiled(std::string_view text, const CompileOptions& options = {})
        : result{compile(text, "test.toml", options)} {
        for (const Diagnostic& diagnostic : result.diagnostics) ADD_FAILURE() << diagnostic.text();
        aligned.resize(result.bytes.size() / 8 + 1);
        std::memcpy(aligned.data(), result.bytes.data(), result.bytes.size());
    }
    ManifestReader reader() const {
        auto reader = ManifestReader::create({reinterpret_cast<const std::byte*>(aligned.data()), result.bytes.size()});
        EXPECT_TRUE(reader.ok());
        return reader.value();
    }
};

TEST(Compile, Domains) {
    const Compiled compiled{example};
    const ManifestReader reader = compiled.reader();
    EXPECT_EQ(reader.name(), "example");
    ASSERT_EQ(reader.domains().size(), 4u);
    const DomainRecord& uart = reader.domains()[0];
    EXPECT_EQ(reader.text(uart.name), "uart");
    EXPECT_EQ(reader.text(uart.program), "uart");
    EXPECT_EQ(uart.memory_bytes, 256u << 10);
    EXPECT_EQ(uart.priority, 200);
    EXPECT_EQ(uart.restart, RestartPolicy::Always);
    EXPECT_EQ(uart.restart_limit, 3u);
    EXPECT_EQ(uart.restart_window_ns, 5'000'000'000u);
    EXPECT_EQ(uart.heartbeat_ns, 2'000'000'000u);
    const DomainRecord& console = reader.domains()[1];
    EXPECT_EQ(console.cpus, ~0ull);
    EXPECT_EQ(console.state_bytes, 1u << 20);
    EXPECT_EQ(console.budget_ns, 2'000'000u);
    EXPECT_EQ(console.period_ns, 10'000'000u);
    EXPECT_EQ(console.may, all_may_flags);
}

TEST(Compile, Devices) {
    const Compiled compiled{example};
    const auto devices = compiled.reader().devices();
    ASSERT_EQ(devices.size(), 2u);
    EXPECT_EQ(devices[0].kind, DeviceKind::Ports);
    EXPECT_EQ(devices[0].first, 0x3f8u);
    EXPECT_EQ(devices[0].count, 8u);
    EXPECT_EQ(devices[1].kind, DeviceKind::Interrupt);
    EXPECT_EQ(devices[1].first, 4u);
    EXPECT_EQ(devices[1].trigger, abi::InterruptTrigger::EdgeHigh);
}

TEST(Compile, MachinesKeepTheOrderOfTheText) {
    const Compiled compiled{example};
    const ManifestReader reader = compiled.reader();
    ASSERT_EQ(reader.vms().size(), 2u);
    const VmRecord& zebra = reader.vms()[0];
    EXPECT_EQ(reader.text(zebra.name), "zebra");
    EXPECT_EQ(zebra.vcpu_count, 2u);
    EXPECT_EQ(zebra.cpus[0], 1u);
    EXPECT_EQ(zebra.on_power_off, VmPolicy::Stop);
    EXPECT_EQ(reader.text(zebra.command_line), "console=ttyS0");
    EXPECT_EQ(reader.text(reader.domains()[zebra.monitor].name), "vmm:zebra");
    EXPECT_EQ(reader.domains()[zebra.monitor].vm, 0u);
    EXPECT_EQ(reader.domains()[zebra.monitor].cpus, 3u);
    EXPECT_EQ(reader.domains()[zebra.monitor].first_cpu, 1u);
    const VmRecord& ant = reader.vms()[1];
    EXPECT_EQ(ant.profile, VmProfile::Micro);
    EXPECT_EQ(ant.initrd.size, 0u);
    EXPECT_EQ(compiled.result.virtual_machines, (std::vector<std::string>{"zebra", "ant"}));
}

TEST(Compile, ConnectionsBearChannelsAsBadges) {
    const Compiled compiled{example};
    const ManifestReader reader = compiled.reader();
    ASSERT_EQ(reader.connections().size(), 2u);
    const ConnectionRecord& to_uart = reader.connections()[0];
    EXPECT_EQ(to_uart.client, 1u);
    EXPECT_EQ(reader.text(reader.services()[to_uart.service].name), "uart");
    const ConnectionRecord& to_console = reader.connections()[1];
    EXPECT_EQ(to_console.client, 2u);
    EXPECT_EQ(to_console.badge, 1u);
}

TEST(Compile, FilesUsedTwiceAreOneModule) {
    const Compiled compiled{example};
    const std::vector<BootModule> expected{{"uart", ModuleKind::Program, "uart"},
                                           {"console", ModuleKind::Program, "console"},
                                           {"vmm", ModuleKind::Program, "vmm"},
                                           {"kernel:zebra", ModuleKind::Kernel, "a/vmlinuz"},
                                           {"initrd:zebra", ModuleKind::Initrd, "a/initrd"}};
    EXPECT_EQ(compiled.result.modules, expected);
    const ManifestReader reader = compiled.reader();
    EXPECT_EQ(reader.text(reader.vms()[1].kernel), "kernel:zebra");
}

TEST(Compile, ChaosCanMeetInit) {
    const Compiled compiled{"[domain.a]\nprogram = \"p\"\n[[chaos]]\nkill = \"init\"\n"};
    ASSERT_EQ(compiled.reader().chaos().size(), 1u);
    EXPECT_EQ(compiled.reader().chaos()[0].domain, no_index);
}

TEST(Compile, Chaos) {
    const Compiled compiled{example};
    const auto chaos = compiled.reader().chaos();
    ASSERT_EQ(chaos.size(), 1u);
    EXPECT_EQ(chaos[0].domain, 2u);
    EXPECT_EQ(chaos[0].count, 10u);
    EXPECT_EQ(chaos[0].interval_ns, 500'000'000u);
    EXPECT_EQ(chaos[0].delay_ns, 500'000'000u);
}

TEST(Compile, OptionsReplaceWhatTheFirstMachineSays) {
    CompileOptions options;
    options.machine_cpus = 4;
    options.vcpus = 3;
    options.vm_memory_bytes = 512 << 20;
    options.kernel = "/other/kernel";
    options.initrd = "/other/initrd";
    options.command_line = "quiet";
    options.command_line_addition = "debug";
    const Compiled compiled{example, options};
    const ManifestReader reader = compiled.reader();
    const VmRecord& vm = reader.vms()[0];
    EXPECT_EQ(vm.vcpu_count, 3u);
    EXPECT_EQ(vm.cpus[2], 2u);
    EXPECT_EQ(vm.memory_bytes, 512u << 20);
    EXPECT_EQ(reader.text(vm.command_line), "quiet debug");
    EXPECT_EQ(compiled.result.modules[3].file, "/other/kernel");
    EXPECT_EQ(compiled.result.machine_cpus, 4u);
}

TEST(Compile, TheMachineIsAsLargeAsNeeded) {
    const Compiled compiled{"[vm.a]\nmemory = \"300M\"\nvcpus = 2\nkernel = \"k\"\nconsole = false\n"};
    EXPECT_EQ(compiled.result.machine_cpus, 2u);
    EXPECT_GE(compiled.result.machine_memory_bytes, 364u << 20);
    EXPECT_EQ(compiled.result.machine_memory_bytes % (64 << 20), 0u);
}

TEST(Compile, TheExamplesAreRight) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{SYSTEMS_DIRECTORY}) {
        std::ifstream file{entry.path()};
        std::stringstream text;
        text << file.rdbuf();
        SCOPED_TRACE(entry.path());
        static_cast<void>(Compiled{text.str()}.reader());
        ++count;
    }
    EXPECT_GE(count, 3u);
}

}  // namespace
}  // namespace bulkhead::manifest
