// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/hosting.hpp"

#include <fmt/format.h>

#include <set>
#include <sstream>

#include "bench/macro/exit_names.hpp"
#include "bench/macro/launch_log.hpp"
#include "bench/macro/rig_run.hpp"
#include "tools/bulkhead/system.hpp"
#include "tools/console/run_log.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::bench {

using tool::Platform;

namespace {

constexpr unsigned kSeconds = 180;
constexpr std::uint64_t kInnerMemory = tool::mebibytes(256);
constexpr const char* kTrigger = "/sys/kernel/tracing/events/kvm/kvm_exit/trigger";
constexpr const char* kHistogram = "/sys/kernel/tracing/events/kvm/kvm_exit/hist";

/// Reasons that come with time and not with rounds.
const std::set<std::string>& timely() {
    static const std::set<std::string> names{"external interrupt", "preemption timer", "interrupt window", "NMI"};
    return names;
}

using Counts = std::map<std::string, double>;

Counts counts_of(const LaunchLine& line, Vendor vendor) {
    Counts counts;
    const auto found = line.files.find(kHistogram);
    if (found == line.files.end()) return counts;
    for (const auto& row : parse_histogram(found->second)) {
        const auto reason = row.keys.find("exit_reason");
        if (reason != row.keys.end()) counts[exit_name(vendor, reason->second)] += static_cast<double>(row.count);
    }
    return counts;
}

Counts difference(const Counts& after, const Counts& before) {
    Counts result = after;
    for (const auto& [name, count] : before) result[name] -= count;
    return result;
}

/// A window between two marks of one loop.
struct Phase {
    std::string loop;
    std::uint64_t rounds = 0;
    Counts counts;
};

std::vector<Phase> read_phases(const Launch& launch, Vendor vendor) {
    std::vector<Phase> phases;
    Counts begin;
    for (const auto& line : launch.lines) {
        std::istringstream words(line.text);
        std::string mark;
        std::string loop;
        std::string what;
        std::uint64_t rounds = 0;
        if (!(words >> mark >> loop >> rounds >> what) || mark != "@phase") continue;
        if (what == "begins") begin = counts_of(line, vendor);
        if (what == "ends") phases.push_back({loop, rounds, difference(counts_of(line, vendor), begin)});
    }
    return phases;
}

/// N and 2 N rounds of each loop follow each other: what the second window has more is what N rounds cause.
void add_loops(const std::string& system, const std::vector<Phase>& phases, std::vector<HostingLoop>& loops) {
    for (std::size_t i = 0; i + 1 < phases.size(); ++i) {
        const Phase& once = phases[i];
        const Phase& twice = phases[i + 1];
        if (once.loop != twice.loop || twice.rounds != 2 * once.rounds) continue;
        HostingLoop loop{.system = system, .loop = once.loop, .rounds = once.rounds};
        for (const auto& [name, count] : difference(twice.counts, once.counts)) {
            if (count != 0) loop.per_round[name] = count / static_cast<double>(once.rounds);
        }
        loops.push_back(std::move(loop));
    }
}

std::string script(std::uint64_t memory_bytes) {
    const auto qemu = fmt::format(
        "qemu-system-x86_64 -M q35 -accel kvm -cpu host -smp 1 -m {} -display none -vga none -nodefaults "
        "-no-user-config -no-reboot -L /usr/share/qemu -chardev stdio,id=com1,signal=off -serial chardev:com1 "
        "-device isa-debug-exit,iobase=0xf4,iosize=4",
        memory_bytes >> 20);
    return fmt::format(
        "mount -t debugfs debugfs /sys/kernel/debug\n"
        "mount -t tracefs tracefs /sys/kernel/tracing\n"
        "echo hist:keys=exit_reason >{}\n"
        "launch bulkhead --with {} -- {} -drive file=/bulkhead/boot.iso,format=raw,if=ide,media=cdrom,readonly=on\n"
        "launch linux --with {} -- {} -kernel /bulkhead/vmlinuz -initrd /bulkhead/initrd -append '{}'\n"
        "echo {}\n",
        kTrigger, kHistogram, qemu, kHistogram, qemu, tool::kRigCommandLine, kDone);
}

/// The inner Linux: the same rig without QEMU, running the loops.
std::string inner_initramfs(const tool::Layout& layout, Platform machine, std::uint64_t rounds) {
    tool::Rig inner;
    inner.platform = machine;
    inner.script = fmt::format("kvm_loops --phases {}\n", rounds);
    inner.programs = {{"kvm_loops", layout.build / "peers" / "kvm_loops"}};
    return tool::rig_initramfs(layout, inner);
}

RigOutput run(const tool::Layout& layout, Platform platform, std::uint64_t rounds, const Progress& progress) {
    const tool::TemporaryDirectory work;
    const auto image = work.path() / "boot.iso";
    tool::build_program_image(layout, "bench-hosting", fmt::format("rounds={}", rounds), image, work.path());
    tool::Rig rig;
    rig.platform = platform == Platform::NestedSvm ? Platform::QemuSvm : Platform::BochsVmx;
    rig.memory_bytes = kInnerMemory + tool::mebibytes(64);
    rig.with_qemu = true;
    rig.script = script(kInnerMemory);
    rig.files = {{"boot.iso", tool::read_file(image)},
                 {"initrd", inner_initramfs(layout, rig.platform, rounds)},
                 {"vmlinuz", tool::read_file(layout.guests() / "linux-cloud" / "vmlinuz")}};
    rig.programs = {{"launch", layout.build / "peers" / "launch"}};
    const auto limit = std::chrono::seconds(static_cast<unsigned>(kSeconds * tool::slowness(platform)));
    return run_rig(layout, rig, tool::new_log_name(layout.logs(), "hosting"), limit, progress);
}

std::string rate(double value) { return fmt::format("{:.2f}", value); }

}  // namespace

double HostingLoop::caused() const {
    double sum = 0;
    for (const auto& [name, count] : per_round) sum += timely().contains(name) ? 0 : count;
    return sum;
}

HostingComparison compare_hosting(const tool::Layout& layout, Platform platform, std::uint64_t rounds, const Progress& progress) {
    HostingComparison comparison{.platform = platform, .loops = {}, .problems = {}};
    try {
        const auto output = run(layout, platform, rounds, [&](std::string_view line) {
            if (line.find("@phase") != std::string_view::npos || line.find(" end ") != std::string_view::npos) progress(line);
        });
        if (!output.problem.empty()) comparison.problems.push_back(output.problem);
        LaunchLog log;
        for (const auto& line : output.lines) log.line(line);
        const auto vendor = platform == Platform::NestedSvm ? Vendor::Amd : Vendor::Intel;
        for (const auto& [name, title] : {std::pair{"bulkhead", "Bulkhead"}, std::pair{"linux", "Linux KVM"}}) {
            const std::size_t before = comparison.loops.size();
            if (const Launch* launch = log.find(name)) add_loops(title, read_phases(*launch, vendor), comparison.loops);
            if (comparison.loops.size() == before) comparison.problems.push_back(fmt::format("{} did not finish a loop", title));
        }
    } catch (const std::exception& error) {
        comparison.problems.emplace_back(error.what());
    }
    return comparison;
}

std::string hosting_markdown(const std::vector<HostingComparison>& comparisons) {
    std::string text;
    for (const auto& comparison : comparisons) {
        text += fmt::format("## {}\n\n", to_string(comparison.platform));
        for (const auto& problem : comparison.problems) text += fmt::format("Not complete: {}\n\n", problem.substr(0, problem.find("; log: ")));
        if (comparison.loops.empty()) continue;
        std::vector<std::string> header{"exits below, per round"};
        std::map<std::string, double> largest;
        for (const auto& loop : comparison.loops) {
            header.push_back(loop.system + ": " + loop.loop);
            for (const auto& [name, count] : loop.per_round) largest[name] = std::max(largest[name], std::abs(count));
        }
        MarkdownTable table(header);
        std::vector<std::string> sums{"all the loop causes"};
        for (const auto& loop : comparison.loops) sums.push_back(rate(loop.caused()));
        table.add(sums);
        for (const auto& [name, most] : largest) {
            if (most < 0.005) continue;
            std::vector<std::string> row{timely().contains(name) ? name + " (with time)" : name};
            for (const auto& loop : comparison.loops) {
                const auto found = loop.per_round.find(name);
                row.push_back(found == loop.per_round.end() ? "-" : rate(found->second));
            }
            table.add(row);
        }
        text += table.text() + "\n";
    }
    return text;
}

std::vector<Figure> hosting_figures(const HostingComparison& comparison) {
    std::vector<Figure> figures;
    for (const auto& loop : comparison.loops) {
        figures.push_back({.name = fmt::format("hosting/{}/{}", loop.system, loop.loop), .value = loop.caused(),
                           .unit = "exits to the hypervisor below", .iterations = loop.rounds, .counters = loop.per_round});
    }
    return figures;
}

}  // namespace bulkhead::bench
