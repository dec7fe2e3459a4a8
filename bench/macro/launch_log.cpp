// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/launch_log.hpp"

#include <charconv>
#include <sstream>

namespace bulkhead::bench {

namespace {

template <typename Number>
std::optional<Number> to_number(std::string_view text) {
    Number value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return std::nullopt;
    return value;
}

/// Takes the first word off a text.
std::string_view take_word(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    if (!text.empty()) text.remove_prefix(1);
    return word;
}

void read_counters(std::string_view text, LaunchLine& into) {
    while (!text.empty()) {
        const auto word = take_word(text);
        const auto equals = word.find('=');
        if (equals == std::string_view::npos) continue;
        if (const auto value = to_number<std::int64_t>(word.substr(equals + 1))) into.counters[std::string(word.substr(0, equals))] = *value;
    }
}

}  // namespace

const LaunchLine* Launch::find(std::string_view prefix) const {
    for (const auto& line : lines) {
        if (std::string_view(line.text).starts_with(prefix)) return &line;
    }
    return nullptr;
}

const Launch* LaunchLog::find(const std::string& name) const {
    const auto found = launches_.find(name);
    return found == launches_.end() ? nullptr : &found->second;
}

void LaunchLog::line(std::string_view text) {
    if (!text.starts_with("@ ")) return;
    text.remove_prefix(2);
    Launch& launch = launches_[std::string(take_word(text))];
    const auto kind = take_word(text);
    const bool has_line = launch.snapshot < launch.lines.size();
    if (kind == "counters") {
        if (has_line) read_counters(text, launch.lines[launch.snapshot]);
        return;
    }
    if (kind == "file") {
        const auto name = take_word(text);
        if (has_line) launch.lines[launch.snapshot].files[std::string(name)].emplace_back(text);
        return;
    }
    if (kind == "snapshot") launch.snapshot = to_number<std::size_t>(take_word(text)).value_or(launch.lines.size());
    const auto ticks = to_number<std::uint64_t>(take_word(text));
    if (!ticks) return;
    if (kind == "start") launch.start_ticks = *ticks;
    if (kind == "first") launch.first_output_ticks = *ticks;
    if (kind == "line") launch.lines.push_back({*ticks, std::string(text)});
    if (kind == "end") {
        launch.end_ticks = *ticks;
        launch.status = static_cast<int>(number_after(text, "status").value_or(255));
        launch.idle_ns = number_after(text, "idle_ns").value_or(0);
    }
}

std::vector<HistogramRow> parse_histogram(const std::vector<std::string>& lines) {
    std::vector<HistogramRow> rows;
    for (const auto& line : lines) {
        const auto close = line.find('}');
        const auto hits = number_after(line, "hitcount:");
        if (line.empty() || line[0] != '{' || close == std::string::npos || !hits) continue;
        HistogramRow row{{}, *hits};
        std::istringstream keys(line.substr(1, close - 1));
        for (std::string pair; std::getline(keys, pair, ',');) {
            const auto colon = pair.find(':');
            const auto begin = pair.find_first_not_of(' ');
            const auto value = number_after(pair, ":");
            if (colon != std::string::npos && value) row.keys[pair.substr(begin, colon - begin)] = *value;
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::optional<std::uint64_t> number_after(std::string_view text, std::string_view word) {
    const auto found = text.find(word);
    if (found == std::string_view::npos) return std::nullopt;
    text.remove_prefix(found + word.size());
    return to_number<std::uint64_t>(take_word(text));
}

}  // namespace bulkhead::bench
