// SPDX-License-Identifier: Apache-2.0
// What puts logs of both sides into figures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bench/macro/boot.hpp"
#include "bench/macro/debian.hpp"
#include "bench/macro/exit_names.hpp"
#include "bench/macro/hosting.hpp"
#include "bench/macro/launch_log.hpp"
#include "bench/macro/peers.hpp"

namespace bulkhead::bench {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

LaunchLog read(std::initializer_list<const char*> lines) {
    LaunchLog log;
    for (const char* line : lines) log.line(line);
    return log;
}

TEST(LaunchLog, KeepsTimesCountersAndFilesOfEachLine) {
    const auto log = read({"@ q35 start 100", "q35| noise", "@ q35 first 150", "@ q35 line 250 @earlier",
                           "@ q35 line 300 @shell 90 idle_ns 4", "@ q35 end 400 status 0 idle_ns 12", "@ q35 snapshot 1",
                           "@ q35 counters tsc-offset=-200 exits=7", "@ q35 file /a/hist { exit_reason: 114 } hitcount: 3",
                           "@ q35 snapshot 9", "@ q35 counters exits=8"});
    const Launch* launch = log.find("q35");
    ASSERT_NE(launch, nullptr);
    EXPECT_EQ(launch->start_ticks, 100u);
    EXPECT_EQ(launch->first_output_ticks, 150u);
    EXPECT_EQ(launch->end_ticks, 400u);
    EXPECT_EQ(launch->status, 0);
    EXPECT_EQ(launch->idle_ns, 12u);
    const LaunchLine* shell = launch->find("@shell ");
    ASSERT_NE(shell, nullptr);
    EXPECT_EQ(shell->ticks, 300u);
    EXPECT_THAT(shell->counters, UnorderedElementsAre(Pair("tsc-offset", -200), Pair("exits", 7)));
    EXPECT_EQ(shell->files.at("/a/hist").size(), 1u);
    EXPECT_EQ(log.find("microvm"), nullptr);
}

TEST(LaunchLog, LeavesDamagedLinesAlone) {
    const auto log = read({"@ ", "@ q35", "@ q35 start", "@ q35 start soon", "@ q35 counters exits=7", "@ q35 file", "x"});
    const Launch* launch = log.find("q35");
    ASSERT_NE(launch, nullptr);
    EXPECT_EQ(launch->start_ticks, 0u);
    EXPECT_TRUE(launch->lines.empty());
}

TEST(Histogram, HasRowsWithOneOrMoreKeys) {
    const auto rows = parse_histogram({"# event histogram", "{ exit_reason:        114 } hitcount:       1234",
                                       "{ rw:          1, port:       1016 } hitcount:          9", "Totals:", "    Hits: 3"});
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].keys.at("exit_reason"), 114u);
    EXPECT_EQ(rows[0].count, 1234u);
    EXPECT_EQ(rows[1].keys.at("rw"), 1u);
    EXPECT_EQ(rows[1].keys.at("port"), 1016u);
}

TEST(BootLog, HasTimelineExitsAndMemory) {
    const auto log = parse_boot_log(
        "bulkhead: starting at tick 1000\nbulkhead: 22 MiB for the kernel, 339 MiB for programs, 7 modules\n"
        "[init] 1 CPUs, 7 boot modules, 4986 pages of kernel memory\nbulkhead: TSC 999999 kHz, xAPIC, one-shot timer\n"
        "[init] vm linux: making it, tick 2000\n[vmm:linux] started at tick 3000, the guest at tick 4000\n"
        "[vmm:linux] vCPU 0 exits (absorbed): cpuid 807, msr write 647 (601), hlt 1 (1)\n"
        "[vmm:linux] vCPU 1 exits (absorbed): cpuid 3\n"
        "[init] vm linux: memory: 262144 KiB of RAM, 256 KiB of device state, 12 of 1187 kernel pages\n"
        "[init] vmm:linux: memory: 4308 KiB of its own, 35 of 2048 kernel pages\n"
        "[init] memory: 1030 of 4986 kernel pages in use or promised, 330 MiB of RAM free\n");
    EXPECT_EQ(log.kernel_ticks, 1000u);
    EXPECT_EQ(log.machine_ticks, 2000u);
    EXPECT_EQ(log.monitor_ticks, 3000u);
    EXPECT_EQ(log.guest_ticks, 4000u);
    EXPECT_EQ(log.tsc_khz, 999999u);
    EXPECT_EQ(log.exits, (ExitCounts{{"cpuid", 810}, {"msr write", 647}, {"hlt", 1}}));
    ASSERT_EQ(log.memory.size(), 2u);
    EXPECT_EQ(log.memory[0].name, "vm linux");
    EXPECT_EQ(log.memory[0].guest_ram_kib, 262144u);
    EXPECT_EQ(log.memory[0].own_kib, 256u);
    EXPECT_EQ(log.memory[0].kernel_pages, 12u);
    EXPECT_EQ(log.memory[0].quota_pages, 1187u);
    EXPECT_EQ(log.memory[1].name, "vmm:linux");
    EXPECT_EQ(log.memory[1].own_kib, 4308u);
    EXPECT_EQ(log.memory[1].kernel_pages, 35u);
    EXPECT_EQ(log.kernel_own_kib(), 22u * 1024 - 4986 * 4);
}

TEST(BootLog, OfAnotherRunIsEmpty) {
    const auto log = parse_boot_log("bulkhead: KERNEL PANIC\n");
    EXPECT_FALSE(log.kernel_ticks);
    EXPECT_TRUE(log.exits.empty());
}

TEST(PeerFigure, ComesFromLinuxsPrograms) {
    const auto figure = parse_peer_figure("@figure pipe: round trip, two processes, 32 bytes: least 12 median 13 rounds 400");
    ASSERT_TRUE(figure);
    EXPECT_EQ(figure->name, "pipe: round trip, two processes, 32 bytes");
    EXPECT_EQ(figure->least, 12u);
    EXPECT_EQ(figure->median, 13u);
    EXPECT_EQ(figure->rounds, 400u);
    for (const auto* line : {"pass null_call", "@figure broken", "figure null call: 158 instructions (limit 250)", "@figure x: median 3"})
        EXPECT_FALSE(parse_peer_figure(line)) << line;
}

TEST(ExitNames, AreBulkheadsWhereBothHaveOne) {
    EXPECT_EQ(exit_name(Vendor::Intel, 10), "cpuid");
    EXPECT_EQ(exit_name(Vendor::Amd, 0x72), "cpuid");
    EXPECT_EQ(exit_name(Vendor::Amd, 0x4e), "exception 14");
    EXPECT_EQ(exit_name(Vendor::Intel, 999), "reason 0x3e7");
}

TEST(Hosting, DoesNotSumWhatComesWithTime) {
    const HostingLoop loop{.system = "Bulkhead", .loop = "cpuid", .rounds = 10,
                           .per_round = {{"cpuid", 1.0}, {"vmresume", 1.0}, {"external interrupt", 0.3}}};
    EXPECT_DOUBLE_EQ(loop.caused(), 2.0);
}

TEST(Debian, OutputOfAPeerIsBetweenItsMarkers) {
    const std::vector<std::string> lines{"@ q35 start 1", "q35| [0.1] boot", "q35| <bulkhead-exec t1 begin>", "q35| head", "minimal| other",
                                         "@ q35 line 3 @x", "q35| #json {", "q35| <bulkhead-exec t1 end 0>", "q35| power down"};
    const auto output = output_of_peer(lines, "q35", "t1");
    EXPECT_EQ(output.text, "head\n#json {\n");
    EXPECT_TRUE(output.complete);
    EXPECT_FALSE(output_of_peer({lines.begin(), lines.begin() + 7}, "q35", "t1").complete);
    EXPECT_EQ(output_of_peer(lines, "q35", "t2").text, "");
    EXPECT_FALSE(output_of_peer({"q35| <bulkhead-exec t begin>", "q35| <bulkhead-exec t end 139>"}, "q35", "t").complete);
}

TEST(Debian, TableHasMeanAndLeastOfEachSystem) {
    DebianComparison comparison{.platform = tool::Platform::QemuSvm, .runs = {}, .problems = {"x; log: y"}};
    comparison.runs.push_back({"Bulkhead", {{}, {{.name = "cpuid", .value = 432.4, .counters = {{"least", 431.6}}}, {.name = "two", .skipped = "one"}}}});
    comparison.runs.push_back({"KVM", {{}, {{.name = "cpuid", .value = 2854.6}}}});
    const auto text = debian_markdown({comparison});
    EXPECT_THAT(text, HasSubstr("## qemu-svm\n\nNot complete: x\n"));
    EXPECT_THAT(text, HasSubstr("| 432, 432 | 2,855 |"));
    EXPECT_THAT(text, testing::Not(HasSubstr("two")));
    EXPECT_EQ(debian_figures(comparison).size(), 2u);
}

TEST(Tables, AreMarkdownAndJson) {
    MarkdownTable table({"a", "b"});
    table.add({"x", "1,234"});
    EXPECT_EQ(table.text(), "| a   |     b |\n|-----|------:|\n| x   | 1,234 |\n");
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(1234567), "1,234,567");
    const auto json = nlohmann::json::parse(google_json({{.name = "boot", .value = 12, .counters = {{"exits", 3}}}}, "qemu-svm"));
    EXPECT_EQ(json["benchmarks"][0]["name"], "boot");
    EXPECT_EQ(json["benchmarks"][0]["real_time"], 12);
    EXPECT_EQ(json["benchmarks"][0]["exits"], 3);
}

TEST(Pages, KeepTheSectionsOfOtherPlatforms) {
    EXPECT_EQ(merge_sections("# Old\n\n## a\n\n1\n\n## b\n\n2\n\n", "## b\n\n3\n\n## c\n\n4\n"),
              "## a\n\n1\n\n## b\n\n3\n\n## c\n\n4\n");
    EXPECT_EQ(merge_sections("", "## a\n1\n"), "## a\n1\n");
    EXPECT_EQ(merge_sections("no section", "## a"), "## a");
}

TEST(Timeline, IsAPictureOfTheStages) {
    BootComparison comparison{.platform = tool::Platform::QemuSvm, .boots = {}, .problems = {}};
    comparison.boots.push_back({.system = "Bulkhead", .stages = {{"firmware", 100}, {"guest", 300}}, .start_ticks = 100, .shell_ticks = 300});
    const auto svg = timeline_svg(comparison);
    EXPECT_THAT(svg, HasSubstr("<svg"));
    EXPECT_THAT(svg, HasSubstr("firmware: 100"));
    EXPECT_THAT(svg, HasSubstr("guest: 200"));
}

}  // namespace
}  // namespace bulkhead::bench
