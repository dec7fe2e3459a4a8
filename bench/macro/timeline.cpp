// SPDX-License-Identifier: Apache-2.0
// Boots as tables, figures and a picture.
#include <fmt/format.h>

#include <algorithm>

#include "bench/macro/boot.hpp"

namespace bulkhead::bench {

namespace {

std::uint64_t sum(const ExitCounts& counts) {
    std::uint64_t total = 0;
    for (const auto& [name, count] : counts) total += count;
    return total;
}

std::uint64_t find_count(const ExitCounts& counts, const std::string& name) {
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& entry) { return entry.first == name; });
    return found == counts.end() ? 0 : found->second;
}

/// All reasons of all boots, the most frequent of any boot first.
std::vector<std::string> all_names(const std::vector<Boot>& boots, ExitCounts Boot::*which) {
    std::map<std::string, std::uint64_t> largest;
    for (const auto& boot : boots) {
        for (const auto& [name, count] : boot.*which) largest[name] = std::max(largest[name], count);
    }
    std::vector<std::string> names;
    for (const auto& [name, count] : largest) names.push_back(name);
    std::sort(names.begin(), names.end(), [&](const auto& a, const auto& b) { return largest[a] > largest[b]; });
    return names;
}

std::string instructions_table(const BootComparison& comparison) {
    MarkdownTable table({"instructions (ticks)", "start of the VM to the shell", "of that idle", "guest alone to the shell", "power-on to the shell"});
    for (const auto& boot : comparison.boots) {
        const std::uint64_t whole = boot.shell_ticks - boot.start_ticks;
        table.add({boot.system, grouped(whole), grouped(boot.idle_ticks), grouped(boot.shell_ticks - boot.guest_ticks), grouped(boot.shell_ticks)});
    }
    return table.text();
}

std::string counts_table(const BootComparison& comparison, const std::string& title, ExitCounts Boot::*which, bool with_sum) {
    std::vector<std::string> header{title};
    for (const auto& boot : comparison.boots) header.push_back(boot.system);
    MarkdownTable table(header);
    for (const auto& name : all_names(comparison.boots, which)) {
        std::vector<std::string> row{name};
        for (const auto& boot : comparison.boots) row.push_back((boot.*which).empty() ? "-" : grouped(find_count(boot.*which, name)));
        table.add(row);
    }
    if (with_sum) {
        std::vector<std::string> row{"all"};
        for (const auto& boot : comparison.boots) row.push_back((boot.*which).empty() ? "-" : grouped(sum(boot.*which)));
        table.add(row);
    }
    return table.text();
}

std::string stages_table(const BootComparison& comparison) {
    MarkdownTable table({"stage", "ticks", "since power-on"});
    for (const auto& boot : comparison.boots) {
        std::uint64_t before = 0;
        for (const auto& [name, end] : boot.stages) {
            table.add({boot.system + ": " + name, grouped(end - before), grouped(end)});
            before = end;
        }
    }
    return table.text();
}

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) result += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    return result;
}

constexpr const char* kColours[] = {"#7a8fa6", "#c9a227", "#5b8c5a", "#b5651d", "#3f6fb5"};

}  // namespace

std::string boot_markdown(const std::vector<BootComparison>& comparisons) {
    std::string text;
    for (const auto& comparison : comparisons) {
        text += fmt::format("## {}\n\n", to_string(comparison.platform));
        for (const auto& problem : comparison.problems) text += fmt::format("Not complete: {}\n\n", problem.substr(0, problem.find("; log: ")));
        if (comparison.boots.empty()) continue;
        text += instructions_table(comparison) + "\n" + stages_table(comparison) + "\n";
        text += counts_table(comparison, "exits by reason", &Boot::exits, true) + "\n";
        if (!all_names(comparison.boots, &Boot::details).empty()) {
            text += counts_table(comparison, "of these", &Boot::details, false) + "\n";
        }
        for (const auto& boot : comparison.boots) {
            if (!boot.memory.empty()) text += memory_table(boot.memory).text() + "\n";
        }
    }
    return text;
}

MarkdownTable memory_table(const std::vector<MemoryUse>& memory) {
    MarkdownTable table({"memory, KiB", "guest's RAM", "other", "kernel memory used", "its quota"});
    for (const auto& use : memory) {
        table.add({use.name, grouped(use.guest_ram_kib), grouped(use.own_kib), grouped(use.kernel_pages * 4), grouped(use.quota_pages * 4)});
    }
    return table;
}

std::vector<Figure> boot_figures(const BootComparison& comparison) {
    std::vector<Figure> figures;
    for (const auto& boot : comparison.boots) {
        Figure figure{.name = "boot/" + boot.system, .value = static_cast<double>(boot.shell_ticks - boot.start_ticks)};
        figure.counters["idle"] = static_cast<double>(boot.idle_ticks);
        figure.counters["exits"] = static_cast<double>(sum(boot.exits));
        for (const auto& [name, count] : boot.exits) figure.counters["exit " + name] = static_cast<double>(count);
        figures.push_back(std::move(figure));
    }
    return figures;
}

std::string timeline_svg(const BootComparison& comparison) {
    constexpr int kWidth = 1000;
    constexpr int kLabel = 170;
    constexpr int kRow = 64;
    std::uint64_t longest = 1;
    for (const auto& boot : comparison.boots) longest = std::max(longest, boot.shell_ticks);
    const double scale = static_cast<double>(kWidth - kLabel - 10) / static_cast<double>(longest);
    const int height = 40 + kRow * static_cast<int>(comparison.boots.size());
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"13\">\n"
        "<text x=\"10\" y=\"20\">Power-on to the guest's shell on {}, millions of instructions (ticks)</text>\n",
        kWidth, height, to_string(comparison.platform));
    int y = 34;
    for (const auto& boot : comparison.boots) {
        svg += fmt::format("<text x=\"10\" y=\"{}\">{}</text>\n", y + 18, escaped(boot.system));
        std::uint64_t before = 0;
        std::string legend;
        for (std::size_t index = 0; index < boot.stages.size(); ++index) {
            const auto& [name, end] = boot.stages[index];
            const char* colour = kColours[index % std::size(kColours)];
            svg += fmt::format("<rect x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"24\" fill=\"{}\"><title>{}: {}</title></rect>\n",
                               kLabel + static_cast<double>(before) * scale, y, static_cast<double>(end - before) * scale, colour,
                               escaped(name), grouped(end - before));
            legend += fmt::format("<tspan fill=\"{}\">{} {:.0f}</tspan>{}", colour, escaped(name), static_cast<double>(end - before) / 1e6,
                                  index + 1 < boot.stages.size() ? ", " : "");
            before = end;
        }
        svg += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"12\">{}</text>\n", kLabel, y + 42, legend);
        y += kRow;
    }
    return svg + "</svg>\n";
}

}  // namespace bulkhead::bench
