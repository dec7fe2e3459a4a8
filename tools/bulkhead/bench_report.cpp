// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/bulkhead/bench_plot.hpp"
#include "tools/machine/error.hpp"
#include "tools/machine/process.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

constexpr const char* kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1060px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}td.s{color:#777}code{font-size:.95em}"
    "svg{width:480px;max-width:100%;font:11px system-ui,sans-serif}svg .g{stroke:#e4e4e4}svg .t{font-weight:600;font-size:12px}"
    ".plots{display:flex;flex-wrap:wrap;gap:1em}";

const char* kHonesty =
    "Figures in instructions are counted by the emulator's time-stamp counter and repeat exactly; they say how long a "
    "path is, not how long it takes. Only figures in nanoseconds are time.";

/// Names of runs in the order they were taken, over all sets, without the fits.
std::vector<std::string> run_names(const std::vector<BenchFigures>& sets) {
    std::vector<std::string> names;
    std::set<std::string> seen;
    for (const auto& set : sets) {
        for (const auto& figure : set.figures) {
            if (!figure.complexity.empty() || figure.name.ends_with("_RMS")) continue;
            if (seen.insert(figure.name).second) names.push_back(figure.name);
        }
    }
    return names;
}

std::string about(const std::vector<BenchItem>& items, const std::string& family) {
    for (const auto& item : items) {
        if (item.name == family) return item.about;
    }
    return {};
}

std::string family_of(const std::string& name) { return BenchFigure{name}.family(); }

/// Families in order, each once.
std::vector<std::string> families(const std::vector<BenchFigures>& sets) {
    std::vector<std::string> result;
    for (const auto& name : run_names(sets)) {
        if (std::find(result.begin(), result.end(), family_of(name)) == result.end()) result.push_back(family_of(name));
    }
    return result;
}

/// The fit of a family on a platform, as "O(N)".
std::string fit_of(const BenchFigures& set, const std::string& family) {
    const auto* fit = set.find(family + "_BigO");
    if (fit == nullptr || fit->complexity.empty()) return {};
    const std::string order = fit->complexity == "(1)" ? "1" : fit->complexity;
    return fmt::format("O({})", order);
}

std::string cell(const BenchFigure* figure) {
    if (figure == nullptr) return "";
    if (!figure->skipped.empty()) return figure->skipped;
    std::string text = figure_text(figure->value);
    std::string counters;
    for (const auto& [name, value] : figure->counters) {
        if (value != 0) counters += fmt::format("{}{} {}", counters.empty() ? "" : ", ", figure_text(value), name);
    }
    std::replace(counters.begin(), counters.end(), '_', ' ');
    return counters.empty() ? text : fmt::format("{} ({})", text, counters);
}

std::vector<PlotSeries> series_of(const std::vector<BenchFigures>& sets, const std::string& family) {
    std::vector<PlotSeries> result;
    for (const auto& set : sets) {
        PlotSeries series{set.text("platform"), {}};
        for (const auto& figure : set.figures) {
            if (!figure.skipped.empty() || !figure.sweep_value() || figure.family() != family) continue;
            series.points.emplace_back(*figure.sweep_value(), figure.value);
        }
        std::sort(series.points.begin(), series.points.end());
        if (series.points.size() >= 3) result.push_back(std::move(series));
    }
    return result;
}

std::string plots(const std::vector<BenchFigures>& sets) {
    std::string html;
    for (const auto& family : families(sets)) {
        const auto series = series_of(sets, family);
        if (series.empty()) continue;
        std::string argument;
        for (const auto& set : sets) {
            for (const auto& figure : set.figures) {
                if (figure.family() == family && !figure.argument().empty()) argument = figure.argument();
            }
        }
        html += render_svg({family, argument, sets.front().text("unit"), series});
    }
    return html.empty() ? html : "<h2>Sweeps</h2>\n<div class='plots'>\n" + html + "</div>\n";
}

constexpr const char* kTraceHeads[] = {"instructions", "kernel", "user", "guest", "VMREAD", "VMWRITE", "of both, not shadowed by KVM",
                                       "VMCB reads", "VMCB writes", "of those, with a clean bit", "WRMSR", "RDMSR", "CR3 writes", "TLB flushes"};

std::vector<unsigned> trace_cells(const TraceTotals& totals) {
    return {totals.instructions, totals.kernel,     totals.user,       totals.guest,      totals.vmreads,    totals.vmwrites,   totals.not_shadowed,
            totals.vmcb_reads,   totals.vmcb_writes, totals.vmcb_clean, totals.msr_writes, totals.msr_reads, totals.cr3_writes, totals.flushes};
}

std::string traces_html(const std::vector<TracedRun>& traced) {
    if (traced.empty()) return {};
    std::string html = "<h2>One iteration, traced by Bochs</h2>\n<table><tr><th>benchmark</th>";
    for (const auto* head : kTraceHeads) html += fmt::format("<th>{}</th>", head);
    html += "</tr>\n";
    for (const auto& run : traced) {
        html += fmt::format("<tr><td><code>{}</code></td>", escape_html(run.name));
        for (const auto value : trace_cells(run.totals)) html += fmt::format("<td class='n'>{}</td>", value);
        html += "</tr>\n";
    }
    return html + "</table>\n";
}

std::string traces_markdown(const std::vector<TracedRun>& traced) {
    if (traced.empty()) return {};
    std::string text = "\nOne iteration, traced by Bochs (VT-x, or AMD-V where it says so):\n\n| benchmark |";
    std::string rule = "\n|---|";
    for (const auto* head : kTraceHeads) {
        text += fmt::format(" {} |", head);
        rule += "---|";
    }
    text += rule + "\n";
    for (const auto& run : traced) {
        text += fmt::format("| `{}` |", run.name);
        for (const auto value : trace_cells(run.totals)) text += fmt::format(" {} |", value);
        text += "\n";
    }
    return text;
}

std::string platform_head(const BenchFigures& set) {
    return fmt::format("{} ({})", set.text("platform"), set.text("unit"));
}

}  // namespace

std::string describe_machine(Platform platform, unsigned cpus, const BenchReady& ready) {
    const auto what = platform == Platform::Kvm        ? "QEMU with KVM, the host's processor"
                      : platform == Platform::QemuSvm  ? "QEMU emulating AMD-V, processor EPYC"
                      : platform == Platform::BochsVmx ? "Bochs emulating VT-x, processor corei7_haswell_4770"
                                                       : "KVM in an emulated machine";
    return fmt::format("{}, {} CPU{}, TSC {} MHz", what, cpus, cpus == 1 ? "" : "s", ready.tsc_hz / 1000000);
}

std::string describe_commit(const Layout& layout) {
    const auto described = run_command({"git", "-C", layout.source.string(), "describe", "--always", "--dirty=-modified",
                                        "--abbrev=12", "--exclude=*"}, 20);
    if (described.exit_status != 0) return "unknown";
    return described.text.substr(0, described.text.find('\n'));
}

std::string report_html(const ReportContent& content) {
    const auto& [sets, items, traced] = content;
    std::string html = fmt::format(
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>Bulkhead: benchmarks</title><style>{}</style>"
        "</head><body>\n<h1>Bulkhead: benchmarks</h1>\n<p>{}</p>\n<h2>Where</h2>\n<table><tr><th>platform</th><th>unit</th>"
        "<th>machine</th><th>commit</th><th>taken</th></tr>\n",
        kStyle, kHonesty);
    for (const auto& set : sets) {
        html += "<tr>";
        for (const auto* key : {"platform", "unit", "machine", "commit", "date"}) {
            html += fmt::format("<td>{}</td>", escape_html(set.text(key)));
        }
        html += "</tr>\n";
    }
    html += "</table>\n<h2>Figures per operation</h2>\n<table><tr><th>benchmark</th>";
    for (const auto& set : sets) html += fmt::format("<th>{}</th>", escape_html(platform_head(set)));
    html += "</tr>\n";
    for (const auto& name : run_names(sets)) {
        html += fmt::format("<tr><td><code>{}</code></td>", escape_html(name));
        for (const auto& set : sets) {
            const auto* figure = set.find(name);
            const bool skipped = figure != nullptr && !figure->skipped.empty();
            html += fmt::format("<td class='{}'>{}</td>", skipped ? "s" : "n", escape_html(cell(figure)));
        }
        html += "</tr>\n";
    }
    html += "</table>\n" + traces_html(traced) + plots(sets) + "<h2>How each figure was taken</h2>\n<table><tr><th>benchmark</th><th>fit</th><th></th></tr>\n";
    for (const auto& family : families(sets)) {
        std::string fits;
        for (const auto& set : sets) {
            const auto fit = fit_of(set, family);
            if (!fit.empty()) fits += fmt::format("{}{}: {}", fits.empty() ? "" : "<br>", escape_html(set.text("platform")), escape_html(fit));
        }
        html += fmt::format("<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>\n", escape_html(family), fits,
                            escape_html(about(items, family)));
    }
    return html + "</table>\n</body></html>\n";
}

std::string report_markdown(const ReportContent& content) {
    const auto& [sets, items, traced] = content;
    std::string text = fmt::format("{}\n\n", kHonesty);
    for (const auto& set : sets) {
        text += fmt::format("- {}: {}; {}, commit {}\n", set.text("platform"), set.text("machine"), set.text("unit"), set.text("commit"));
    }
    text += "\n| benchmark |";
    std::string rule = "\n|---|";
    for (const auto& set : sets) {
        text += fmt::format(" {} |", platform_head(set));
        rule += "---|";
    }
    text += rule + "\n";
    for (const auto& name : run_names(sets)) {
        text += fmt::format("| `{}` |", name);
        for (const auto& set : sets) text += fmt::format(" {} |", cell(set.find(name)));
        text += "\n";
    }
    text += traces_markdown(traced);
    text += "\n| benchmark | what is counted | fit over the sweep |\n|---|---|---|\n";
    for (const auto& family : families(sets)) {
        std::string fits;
        for (const auto& set : sets) {
            const auto fit = fit_of(set, family);
            if (!fit.empty() && fits.find(fit) == std::string::npos) fits += fmt::format("{}{}", fits.empty() ? "" : ", ", fit);
        }
        text += fmt::format("| `{}` | {} | {} |\n", family, about(items, family), fits);
    }
    return text;
}

namespace {

constexpr const char* kTracesFile = "traces.tsv";

void make_directory(const fs::path& directory) {
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) throw Error(fmt::format("--report {}: {}", directory.string(), error.message()));
}

void write_pages(const fs::path& directory, const std::vector<BenchItem>& items) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(directory)) {
        if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    ReportContent content{{}, items};
    for (const auto& file : files) content.sets.push_back(load_bench_figures(file));
    if (fs::exists(directory / kTracesFile)) content.traced = parse_traced_runs(read_file(directory / kTracesFile));
    write_file(directory / "index.html", report_html(content));
    write_file(directory / "benchmarks.md", report_markdown(content));
    fmt::print("report: {}\n", (directory / "index.html").string());
}

}  // namespace

void write_report(const fs::path& directory, const std::string& name, const std::string& json,
                  const std::vector<BenchItem>& items) {
    make_directory(directory);
    write_file(directory / (name + ".json"), json);
    write_pages(directory, items);
}

void write_traces_report(const fs::path& directory, const std::vector<TracedRun>& traced, const std::vector<BenchItem>& items) {
    make_directory(directory);
    auto all = fs::exists(directory / kTracesFile) ? parse_traced_runs(read_file(directory / kTracesFile)) : std::vector<TracedRun>{};
    std::erase_if(all, [&](const auto& old) {
        return std::any_of(traced.begin(), traced.end(), [&](const auto& run) { return run.name == old.name; });
    });
    all.insert(all.end(), traced.begin(), traced.end());
    write_file(directory / kTracesFile, format_traced_runs(all));
    write_pages(directory, items);
}

}  // namespace bulkhead::tool
