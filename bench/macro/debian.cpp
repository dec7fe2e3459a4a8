// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/debian.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/macro/kvm_peers.hpp"
#include "bench/macro/rig_run.hpp"
#include "tools/bulkhead/bench_guest.hpp"
#include "tools/bulkhead/bench_report.hpp"
#include "tools/bulkhead/guest_files.hpp"
#include "tools/bulkhead/system.hpp"
#include "tools/console/run_log.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::bench {

using tool::Platform;

namespace {

/// Time limits on qemu-svm with counted instructions; slower platforms get a multiple.
constexpr unsigned kBulkheadSeconds = 240;
constexpr unsigned kRigSeconds = 900;

std::chrono::seconds limit(Platform platform, unsigned seconds) {
    return std::chrono::seconds(static_cast<unsigned>(seconds * tool::slowness(platform)));
}

tool::GuestBench guest_bench(Platform platform, const std::string& filter) {
    return {.platform = platform, .filter = filter, .limit = limit(platform, kBulkheadSeconds)};
}

DebianRun run_own(const tool::Layout& layout, Platform platform, const std::string& filter, std::vector<std::string>& problems) {
    auto bench = guest_bench(platform, filter);
    bench.log = tool::new_log_name(layout.logs(), "debian");
    const auto result = tool::run_guest_bench(layout, bench, [](std::string_view) {});
    if (!result.problem.empty()) problems.push_back("Bulkhead: " + result.problem.substr(0, result.problem.find('\n')) + "; log: " + bench.log.string());
    if (result.json.empty()) return {"Bulkhead", {}};
    return {"Bulkhead", tool::parse_bench_figures(result.json, "Bulkhead's figures")};
}

std::string rig_script(const std::vector<KvmPeer>& peers) {
    std::string script;
    for (const auto& peer : peers) {
        script += fmt::format("launch {0} -- {1} \"$(cat /bulkhead/cmdline)\" || echo \"@error the monitor ended with status $? on {0}\"\n",
                              peer.name, peer.command);
    }
    return script + "echo " + std::string(kDone) + "\n";
}

RigOutput run_peers(const tool::Layout& layout, Platform platform, const std::vector<KvmPeer>& peers, const std::string& filter,
                    const std::string& token, const Progress& progress) {
    const tool::TemporaryDirectory work;
    tool::SystemRequest request;
    request.exec_programs = tool::guest_bench_files(layout, work.path());
    request.exec_command = tool::guest_bench_command(guest_bench(platform, filter), tool::list_guest_bench(layout, filter),
                                                     tool::describe_commit(layout));
    const auto guest = layout.guests() / "linux-cloud";
    tool::Rig rig;
    rig.platform = platform;
    rig.memory_bytes = tool::mebibytes(kPeerGuestMiB + 128);
    rig.time = tool::MachineTime::Counted;
    rig.with_qemu = std::any_of(peers.begin(), peers.end(), [](const auto& peer) { return peer.name != "minimal"; });
    rig.script = rig_script(peers);
    rig.files = {{"vmlinuz", tool::read_file(guest / "vmlinuz")},
                 {"initrd", tool::initrd_with_command(tool::read_file(guest / "initrd"), request, token)},
                 {"cmdline", tool::kGuestBenchCommandLine}};
    rig.programs = {{"launch", layout.build / "peers" / "launch"}, {"kvm_linux", layout.build / "peers" / "kvm_linux"}};
    return run_rig(layout, rig, tool::new_log_name(layout.logs(), "debian-kvm"), limit(platform, kRigSeconds), progress);
}

DebianRun read_peer(const RigOutput& output, const KvmPeer& peer, const std::string& token, std::vector<std::string>& problems) {
    const auto printed = output_of_peer(output.lines, peer.name, token);
    if (!printed.complete) problems.push_back(fmt::format("{}: the benchmarks did not come to their end", peer.title));
    tool::GuestBenchOutput split([](std::string_view) {});
    split.feed(printed.text);
    split.finish();
    const auto json = split.json();
    if (json.empty()) return {peer.title, {}};
    return {peer.title, tool::parse_bench_figures(json, peer.title)};
}

/// Mean and least.
std::string cell(const DebianRun& run, const std::string& name) {
    const auto* figure = run.figures.find(name);
    if (figure == nullptr || !figure->skipped.empty()) return "-";
    const auto rounded = [](double value) { return grouped(static_cast<std::uint64_t>(value + 0.5)); };
    const auto least = figure->counters.find("least");
    return rounded(figure->value) + (least == figure->counters.end() ? "" : ", " + rounded(least->second));
}

/// Names of benchmarks that have a figure in any run, in the order of the first that has them.
std::vector<std::string> names_of(const DebianComparison& comparison) {
    std::vector<std::string> names;
    for (const auto& run : comparison.runs) {
        for (const auto& figure : run.figures.figures) {
            const bool known = std::find(names.begin(), names.end(), figure.name) != names.end();
            if (!known && figure.skipped.empty()) names.push_back(figure.name);
        }
    }
    return names;
}

}  // namespace

PeerOutput output_of_peer(const std::vector<std::string>& lines, const std::string& peer, const std::string& token) {
    const std::string prefix = peer + "| ";
    const std::string begin = fmt::format("<bulkhead-exec {} begin>", token);
    const std::string end = fmt::format("<bulkhead-exec {} end ", token);
    PeerOutput output;
    bool inside = false;
    for (const auto& line : lines) {
        if (!line.starts_with(prefix)) continue;
        const auto text = line.substr(prefix.size());
        if (const auto place = text.find(end); place != std::string::npos) {
            output.complete = inside && text.substr(place + end.size()).starts_with("0>");
            break;
        }
        if (inside) output.text += text + "\n";
        inside = inside || text.find(begin) != std::string::npos;
    }
    return output;
}

DebianComparison compare_debian(const tool::Layout& layout, Platform platform, const std::vector<std::string>& peers,
                                const std::string& filter, const Progress& progress) {
    static_cast<void>(tool::list_guest_bench(layout, filter));
    DebianComparison comparison{.platform = platform, .runs = {}, .problems = {}};
    const auto attempt = [&](const auto& work) {
        try {
            work();
        } catch (const std::exception& error) {
            comparison.problems.emplace_back(error.what());
        }
    };
    progress("running the benchmarks in Bulkhead's guest");
    attempt([&] { comparison.runs.push_back(run_own(layout, platform, filter, comparison.problems)); });
    const auto chosen = kvm_peers(peers);
    if (chosen.empty()) return comparison;
    progress("running them in KVM's guests");
    attempt([&] {
        const auto token = tool::random_token();
        const auto output = run_peers(layout, platform, chosen, filter, token, [&](std::string_view line) {
            if (line.find(" start ") != std::string_view::npos || line.find(" end ") != std::string_view::npos) progress(line);
        });
        if (!output.problem.empty()) comparison.problems.push_back(output.problem);
        for (const auto& peer : chosen) attempt([&] { comparison.runs.push_back(read_peer(output, peer, token, comparison.problems)); });
    });
    return comparison;
}

std::string debian_markdown(const std::vector<DebianComparison>& comparisons) {
    std::string text;
    for (const auto& comparison : comparisons) {
        text += fmt::format("## {}\n\n", to_string(comparison.platform));
        for (const auto& problem : comparison.problems) text += fmt::format("Not complete: {}\n\n", problem.substr(0, problem.find("; log: ")));
        std::vector<std::string> header{"instructions: mean, least"};
        for (const auto& run : comparison.runs) header.push_back(run.system);
        MarkdownTable table(header);
        for (const auto& name : names_of(comparison)) {
            std::vector<std::string> row{name};
            for (const auto& run : comparison.runs) row.push_back(cell(run, name));
            table.add(row);
        }
        text += table.text() + "\n";
    }
    return text;
}

std::vector<Figure> debian_figures(const DebianComparison& comparison) {
    std::vector<Figure> figures;
    for (const auto& run : comparison.runs) {
        for (const auto& figure : run.figures.figures) {
            if (!figure.skipped.empty()) continue;
            figures.push_back({.name = fmt::format("debian/{}/{}", run.system, figure.name), .value = figure.value,
                               .iterations = figure.iterations, .counters = figure.counters});
        }
    }
    return figures;
}

}  // namespace bulkhead::bench
