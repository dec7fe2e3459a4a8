// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/peers.hpp"

#include <fmt/format.h>

#include "bench/macro/launch_log.hpp"
#include "bench/macro/rig_run.hpp"
#include "tools/bulkhead/bench_guard.hpp"
#include "tools/bulkhead/system.hpp"
#include "tools/console/frame.hpp"
#include "tools/console/run_log.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::bench {

using tool::Platform;

namespace {

constexpr unsigned kSeconds = 240;

/// Where a row's figures come from: names as the programs print them; several are alternatives of one way to do it.
struct Row {
    const char* operation;
    const char* bulkhead;
    std::vector<const char*> linux_names;
    std::vector<const char*> published;  ///< NOVA 24.08, Hedron 13.2, seL4 16, Fiasco 2026, Linux 6.1 with KVM
};

/// Published: measured elsewhere under QEMU TCG with -icount (one CPU, EPYC model), as the project was given them.
const std::vector<Row>& rows() {
    static const std::vector<Row> all{
        {"null call", "null_call", {"getppid"}, {"60", "111", "251", "89", "323"}},
        {"call and reply, one domain, 4 words", "call/one_domain/words:4",
         {"futex: round trip, two threads"}, {"260-290", "509-550", "450-492", "1,047", "8,609"}},
        {"call and reply, two domains, 4 words", "call/two_domains/words:4",
         {"pipe: round trip, two processes, 32 bytes", "eventfd: round trip, two processes",
          "Unix socket: round trip, two processes, 32 bytes"},
         {"310", "620", "496", "1,067-1,227", "10,288 (pipe), 8,398 (eventfd)"}},
        {"the same, 64 words", "call/two_domains/words:64", {"pipe: round trip, two processes, 512 bytes"},
         {"910", "1,220", "2,258", "1,193-1,353", "10,568 (pipe)"}},
        {"signal, nobody waits", "notification/signal", {"eventfd: signal, nobody waits"},
         {"143", "174", "374", "184", "725"}},
        {"wait, already signalled", "notification/wait", {"eventfd: wait, already signalled"},
         {"147", "163", "263", "203", "860"}},
        {"CPUID exit and back", "vm/cpuid", {"CPUID exit, in the kernel"},
         {"547 VT-x, 472 AMD-V", "946 VT-x", "624 VT-x", "-", "957 VT-x, 2,377 AMD-V, in the kernel"}},
        {"port write to the monitor and back", "vm/port_write", {"port write to the monitor"},
         {"-", "-", "-", "-", "3,044 VT-x, 2,828 AMD-V"}},
        {"MMIO write to the monitor and back", "vm/mmio_write", {"MMIO write to the monitor"},
         {"-", "-", "-", "-", "5,463 VT-x, 4,858 AMD-V"}},
        {"doorbell, kernel only", "vm/doorbell_nobody", {"doorbell by port, in the kernel", "doorbell by MMIO, in the kernel"},
         {"-", "-", "-", "-", "1,110 MMIO, 1,209 port VT-x; 1,331 port AMD-V"}},
        {"doorbell to thread to interrupt to guest's handler", "vm/doorbell_to_guest_interrupt",
         {"doorbell to thread to guest's handler"},
         {"-", "-", "-", "-", "22,156 VT-x, 21,715 AMD-V"}},
    };
    return all;
}

const PeerFigure* find(const std::vector<PeerFigure>& figures, std::string_view name) {
    for (const auto& figure : figures) {
        if (figure.name == name) return &figure;
    }
    return nullptr;
}

void collect(const std::string& line, std::vector<PeerFigure>& into) {
    if (auto figure = parse_peer_figure(line); figure && find(into, figure->name) == nullptr) into.push_back(std::move(*figure));
}

/// Bulkhead's own benchmarks (bench/micro), those the guard counts.
void run_own(const tool::Layout& layout, Platform platform, std::vector<PeerFigure>& figures) {
    const auto limit = std::chrono::seconds(static_cast<unsigned>(kSeconds * tool::slowness(platform)));
    tool::BenchTarget target(layout, {.platform = platform, .limit = limit, .log = tool::new_log_name(layout.logs(), "bench")});
    std::vector<std::string> errors;
    for (const auto& [name, count] : tool::count_guarded(target, {}, errors)) {
        const auto least = static_cast<std::uint64_t>(count + 0.5);
        figures.push_back({.name = name, .least = least, .median = least, .rounds = 1});
    }
    for (const auto& error : errors) throw tool::Error(error);
}

void run_linux(const tool::Layout& layout, Platform platform, PeerComparison& comparison, const Progress& progress) {
    tool::Rig rig;
    rig.platform = platform;
    rig.memory_bytes = 0;
    rig.time = tool::MachineTime::Counted;
    rig.script = fmt::format("linux_ipc\nkvm_loops\necho {}\n", kDone);
    for (const char* name : {"linux_ipc", "kvm_loops"}) rig.programs[name] = layout.build / "peers" / name;
    const auto limit = std::chrono::seconds(static_cast<unsigned>(kSeconds * tool::slowness(platform)));
    const auto output = run_rig(layout, rig, tool::new_log_name(layout.logs(), "peers"), limit, progress);
    for (const auto& line : output.lines) collect(line, comparison.linux_kvm);
    if (!output.problem.empty()) throw tool::Error(output.problem);
}

std::string linux_cell(const PeerComparison& comparison, const Row& row) {
    std::string cell;
    for (const char* name : row.linux_names) {
        const PeerFigure* figure = find(comparison.linux_kvm, name);
        if (figure == nullptr) continue;
        const std::string_view full(name);
        const std::string way(full.substr(0, full.find_first_of(":,")));
        cell += (cell.empty() ? "" : ", ") + grouped(figure->least);
        if (row.linux_names.size() > 1) cell += " (" + way + ")";
    }
    return cell.empty() ? "-" : cell;
}

}  // namespace

std::optional<PeerFigure> parse_peer_figure(std::string_view line) {
    constexpr std::string_view kWord = "@figure ";
    const auto colon = line.rfind(": ");
    if (!line.starts_with(kWord) || colon == std::string_view::npos) return std::nullopt;
    PeerFigure figure{.name = std::string(line.substr(kWord.size(), colon - kWord.size()))};
    const auto numbers = line.substr(colon);
    const auto least = number_after(numbers, "least");
    if (!least) return std::nullopt;
    figure.least = *least;
    figure.median = number_after(numbers, "median").value_or(*least);
    figure.rounds = number_after(numbers, "rounds").value_or(1);
    return figure;
}

PeerComparison compare_peers(const tool::Layout& layout, Platform platform, const Progress& progress) {
    PeerComparison comparison{.platform = platform, .bulkhead = {}, .linux_kvm = {}, .problems = {}};
    const auto attempt = [&](const auto& work) {
        try {
            work();
        } catch (const std::exception& error) {
            comparison.problems.emplace_back(error.what());
        }
    };
    progress("running Bulkhead's benchmarks");
    attempt([&] { run_own(layout, platform, comparison.bulkhead); });
    progress("running Linux's programs");
    attempt([&] { run_linux(layout, platform, comparison, progress); });
    return comparison;
}

std::string peers_markdown(const std::vector<PeerComparison>& comparisons) {
    std::string text;
    for (const auto& comparison : comparisons) {
        text += fmt::format("## {}\n\n", to_string(comparison.platform));
        for (const auto& problem : comparison.problems) text += fmt::format("Not complete: {}\n\n", problem.substr(0, problem.find("; log: ")));
        MarkdownTable table({"instructions, the least of all rounds", "Bulkhead", "Linux, KVM here", "NOVA 24.08 *", "Hedron 13.2 *",
                             "seL4 16 *", "Fiasco 2026 *", "Linux 6.1, KVM *"});
        for (const auto& row : rows()) {
            const PeerFigure* own = find(comparison.bulkhead, row.bulkhead);
            std::vector<std::string> cells{row.operation, own != nullptr ? grouped(own->least) : "-", linux_cell(comparison, row)};
            cells.insert(cells.end(), row.published.begin(), row.published.end());
            table.add(cells);
        }
        text += table.text() + "\n";
    }
    return text;
}

std::vector<Figure> peer_figures(const PeerComparison& comparison) {
    std::vector<Figure> figures;
    const auto add = [&](const char* system, const std::vector<PeerFigure>& from) {
        for (const auto& figure : from) {
            figures.push_back({.name = fmt::format("peers/{}/{}", system, figure.name), .value = static_cast<double>(figure.least),
                               .iterations = figure.rounds, .counters = {{"median", static_cast<double>(figure.median)}}});
        }
    };
    add("Bulkhead", comparison.bulkhead);
    add("Linux", comparison.linux_kvm);
    return figures;
}

}  // namespace bulkhead::bench
