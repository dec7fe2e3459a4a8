// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_protocol.hpp"

#include <fmt/format.h>

#include <charconv>

namespace bulkhead::tool {

namespace {

constexpr std::string_view kPrefix = "bench ";

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

/// The text up to `separator`, which is taken off with it.
std::string_view take(std::string_view& text, char separator = ' ') {
    const auto end = std::min(text.find(separator), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

using Field = std::pair<std::string_view, std::string_view>;

/// The next NAME=VALUE, or nothing if the next word is none.
std::optional<Field> take_field(std::string_view& text) {
    const auto word = take(text);
    const auto equals = word.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    return Field{word.substr(0, equals), word.substr(equals + 1)};
}

bool read_values(std::string_view list, std::vector<std::uint64_t>& values) {
    while (!list.empty()) {
        const auto value = parse_number(take(list, ','));
        if (!value) return false;
        values.push_back(*value);
    }
    return !values.empty();
}

std::optional<BenchLine> parse_ready(std::string_view rest) {
    BenchReady ready;
    const auto version = parse_number(take(rest));
    if (!version) return std::nullopt;
    ready.version = *version;
    while (!rest.empty()) {
        const auto field = take_field(rest);
        const auto value = field ? parse_number(field->second) : std::nullopt;
        if (!value) return std::nullopt;
        if (field->first == "tsc_hz") ready.tsc_hz = *value;
        if (field->first == "cpus") ready.cpus = *value;
        if (field->first == "vendor") ready.vendor = *value;
        if (field->first == "virtualization") ready.virtualization = *value;
    }
    return ready;
}

std::optional<BenchLine> parse_item(std::string_view rest) {
    BenchItem item;
    item.name = take(rest);
    while (!rest.empty()) {
        constexpr std::string_view about = "about=";
        if (rest.starts_with(about)) {
            item.about = rest.substr(about.size());
            break;
        }
        const auto field = take_field(rest);
        if (!field) return std::nullopt;
        if (field->first == "argument") {
            item.argument = field->second;
            continue;
        }
        if (field->first == "values") {
            if (!read_values(field->second, item.values)) return std::nullopt;
            continue;
        }
        const auto value = parse_number(field->second);
        if (!value) return std::nullopt;
        if (field->first == "iterations") item.iterations = *value;
        if (field->first == "guarded") item.guarded_up_to = *value;
    }
    if (item.name.empty() || item.values.empty() || item.iterations == 0) return std::nullopt;
    return item;
}

std::optional<BenchLine> parse_result(std::string_view rest) {
    BenchResult result;
    result.name = take(rest);
    const auto argument = parse_number(take(rest));
    if (result.name.empty() || !argument) return std::nullopt;
    result.argument = *argument;
    bool has_ticks = false;
    while (!rest.empty()) {
        const auto field = take_field(rest);
        const auto value = field ? parse_number(field->second) : std::nullopt;
        if (!value) return std::nullopt;
        if (field->first == "operations") result.operations = *value;
        else if (field->first == "ticks") result.ticks = *value;
        else result.counters.emplace_back(field->first, *value);
        has_ticks = has_ticks || field->first == "ticks";
    }
    if (result.operations == 0 || !has_ticks) return std::nullopt;
    return result;
}

/// NAME ARG TEXT
template <typename T>
std::optional<BenchLine> parse_remark(std::string_view rest, std::string T::*text) {
    T remark;
    remark.name = take(rest);
    const auto argument = parse_number(take(rest));
    if (remark.name.empty() || !argument) return std::nullopt;
    remark.argument = *argument;
    remark.*text = rest;
    return remark;
}

std::optional<BenchLine> parse(std::string_view verb, std::string_view rest) {
    if (verb == "ready") return parse_ready(rest);
    if (verb == "item") return parse_item(rest);
    if (verb == "result") return parse_result(rest);
    if (verb == "skip") return parse_remark<BenchSkip>(rest, &BenchSkip::reason);
    if (verb == "error") return parse_remark<BenchError>(rest, &BenchError::why);
    if (verb == "fatal") return BenchError{"", 0, std::string(rest)};
    if (verb == "end" && rest.empty()) return BenchEnd{};
    return std::nullopt;
}

}  // namespace

std::string BenchItem::run_name(std::uint64_t value) const {
    return argument.empty() ? name : fmt::format("{}/{}:{}", name, argument, value);
}

BenchLine parse_bench_line(std::string_view line) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (!line.starts_with(kPrefix)) return std::monostate{};
    auto rest = line.substr(kPrefix.size());
    const auto verb = take(rest);
    if (auto parsed = parse(verb, rest)) return *std::move(parsed);
    return BenchNonsense{std::string(line)};
}

}  // namespace bulkhead::tool
