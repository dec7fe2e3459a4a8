// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/figure.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

namespace bulkhead::bench {

std::string google_json(const std::vector<Figure>& figures, const std::string& platform) {
    nlohmann::ordered_json json;
    json["context"] = {{"date", fmt::format("{:%Y-%m-%dT%H:%M:%S%z}", fmt::localtime(std::time(nullptr)))},
                       {"executable", "bulkhead"},
                       {"num_cpus", 1},
                       {"platform", platform},
                       {"library_build_type", "release"}};
    json["benchmarks"] = nlohmann::ordered_json::array();
    for (const auto& figure : figures) {
        nlohmann::ordered_json entry{{"name", figure.name},       {"run_name", figure.name},
                                     {"run_type", "iteration"},   {"repetitions", 1},
                                     {"repetition_index", 0},     {"threads", 1},
                                     {"iterations", figure.iterations}, {"real_time", figure.value},
                                     {"cpu_time", figure.value},  {"time_unit", "ns"},
                                     {"label", figure.unit}};
        for (const auto& [name, value] : figure.counters) entry[name] = value;
        json["benchmarks"].push_back(std::move(entry));
    }
    return json.dump(2) + "\n";
}

std::string MarkdownTable::text() const {
    std::vector<std::size_t> widths(rows_.front().size(), 3);
    for (const auto& row : rows_) {
        for (std::size_t column = 0; column < row.size() && column < widths.size(); ++column) {
            widths[column] = std::max(widths[column], row[column].size());
        }
    }
    std::string result;
    for (std::size_t index = 0; index < rows_.size(); ++index) {
        for (std::size_t column = 0; column < widths.size(); ++column) {
            const std::string cell = column < rows_[index].size() ? rows_[index][column] : "";
            result += column == 0 ? fmt::format("| {:<{}} ", cell, widths[column]) : fmt::format("| {:>{}} ", cell, widths[column]);
        }
        result += "|\n";
        if (index != 0) continue;
        for (std::size_t column = 0; column < widths.size(); ++column) {
            result += column == 0 ? fmt::format("|{:-<{}}", "", widths[column] + 2) : fmt::format("|{:->{}}", ":", widths[column] + 2);
        }
        result += "|\n";
    }
    return result;
}

namespace {

/// Heading and text of each section; what stands before the first is left out.
std::vector<std::pair<std::string, std::string>> sections_of(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> sections;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
        const auto line = text.substr(0, end);
        if (line.starts_with("## ")) sections.emplace_back(line, "");
        if (!sections.empty()) sections.back().second += line;
        text.remove_prefix(end);
    }
    return sections;
}

}  // namespace

std::string merge_sections(std::string_view page, std::string_view text) {
    auto sections = sections_of(page);
    for (auto& [heading, content] : sections_of(text)) {
        const auto same = [&heading = heading](const auto& section) { return section.first == heading; };
        const auto found = std::find_if(sections.begin(), sections.end(), same);
        if (found != sections.end()) found->second = content;
        else sections.emplace_back(heading, content);
    }
    std::string result;
    for (const auto& [heading, content] : sections) result += content;
    return result;
}

std::string grouped(std::uint64_t value) {
    std::string digits = std::to_string(value);
    for (std::size_t place = digits.size(); place > 3;) {
        place -= 3;
        digits.insert(place, ",");
    }
    return digits;
}

}  // namespace bulkhead::bench
