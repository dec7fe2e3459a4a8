// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "tools/machine/error.hpp"
#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

namespace {

using Json = nlohmann::json;

/// What Google Benchmark writes beside the counters.
constexpr std::string_view kOwnKeys[] = {
    "name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions", "repetition_index",
    "threads", "iterations", "real_time", "cpu_time", "time_unit", "aggregate_name", "aggregate_unit", "label",
    "error_occurred", "error_message", "cpu_coefficient", "real_coefficient", "big_o", "rms"};

bool is_counter(const std::string& key) {
    return std::find(std::begin(kOwnKeys), std::end(kOwnKeys), key) == std::end(kOwnKeys);
}

BenchFigure read_figure(const Json& entry) {
    BenchFigure figure;
    figure.name = entry.at("name").get<std::string>();
    if (entry.contains("big_o")) {
        figure.complexity = entry.at("big_o").get<std::string>();
        figure.value = entry.value("real_coefficient", 0.0);
        return figure;
    }
    if (entry.value("error_occurred", false)) {
        figure.skipped = entry.value("error_message", "?");
        return figure;
    }
    figure.value = entry.value("real_time", 0.0);
    figure.iterations = entry.value("iterations", std::uint64_t{0});
    for (const auto& [key, value] : entry.items()) {
        if (is_counter(key) && value.is_number()) figure.counters[key] = value.get<double>();
    }
    return figure;
}

/// A change in percent, or a word where there is none.
std::string change(double before, double now) {
    if (before == now) return "=";
    if (before == 0) return "new";
    return fmt::format("{:+.1f} %", (now - before) / before * 100);
}

std::string value_or_reason(const BenchFigure& figure) {
    return figure.skipped.empty() ? figure_text(figure.value) : "-";
}

/// Runs only: no fits and none of their errors.
bool is_run(const BenchFigure& figure) { return figure.complexity.empty() && !figure.name.ends_with("_RMS"); }

}  // namespace

std::string BenchFigure::family() const {
    const auto colon = name.rfind(':');
    const auto slash = colon == std::string::npos ? colon : name.rfind('/', colon);
    return slash == std::string::npos ? name : name.substr(0, slash);
}

std::string BenchFigure::argument() const {
    const auto start = family().size() + 1;
    return start > name.size() ? "" : name.substr(start, name.rfind(':') - start);
}

std::optional<double> BenchFigure::sweep_value() const {
    const auto colon = name.rfind(':');
    if (colon == std::string::npos) return std::nullopt;
    double number = 0;
    const auto [end, error] = std::from_chars(name.data() + colon + 1, name.data() + name.size(), number);
    if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
    return number;
}

std::string BenchFigures::text(const std::string& key) const {
    const auto found = context.find(key);
    return found == context.end() ? "" : found->second;
}

const BenchFigure* BenchFigures::find(std::string_view name) const {
    for (const auto& figure : figures) {
        if (figure.name == name) return &figure;
    }
    return nullptr;
}

BenchFigures parse_bench_figures(std::string_view text, const std::string& file_name) {
    const Json document = Json::parse(text, nullptr, false);
    const auto bad = [&](const char* why) { return Error(fmt::format("{}: {}", file_name, why)); };
    if (document.is_discarded()) throw bad("this is no JSON");
    if (!document.is_object() || !document.contains("benchmarks") || !document["benchmarks"].is_array())
        throw bad("there are no benchmarks in it (Google Benchmark's JSON is expected)");
    BenchFigures figures;
    try {
        const Json context = document.value("context", Json::object());
        for (const auto& [key, value] : context.items()) {
            if (value.is_string()) figures.context[key] = value.get<std::string>();
        }
        for (const auto& entry : document["benchmarks"]) figures.figures.push_back(read_figure(entry));
    } catch (const Json::exception&) {
        throw bad("an entry is not as Google Benchmark writes it");
    }
    return figures;
}

BenchFigures load_bench_figures(const std::filesystem::path& file) {
    return parse_bench_figures(read_file(file), file.string());
}

std::string compare_bench_figures(const BenchFigures& before, const BenchFigures& now) {
    if (before.text("unit") != now.text("unit")) {
        throw Error(fmt::format("the figures cannot be compared: {} there, {} here",
                                before.text("unit").empty() ? "no unit" : before.text("unit"), now.text("unit")));
    }
    std::size_t width = 10;
    for (const auto& figure : now.figures) width = std::max(width, figure.name.size());
    for (const auto& figure : before.figures) width = std::max(width, figure.name.size());
    std::string text = fmt::format("{:{}} {:>12} {:>12} {:>10}   ({})\n", "Benchmark", width, "before", "now", "change",
                                   now.text("unit"));
    std::string lonely;
    for (const auto& figure : now.figures) {
        if (!is_run(figure)) continue;
        const auto* old = before.find(figure.name);
        if (old == nullptr) {
            lonely += fmt::format("{:{}} {:>12} {:>12} {:>10}\n", figure.name, width, "", value_or_reason(figure), "new");
            continue;
        }
        const bool both = figure.skipped.empty() && old->skipped.empty();
        text += fmt::format("{:{}} {:>12} {:>12} {:>10}\n", figure.name, width, value_or_reason(*old),
                            value_or_reason(figure), both ? change(old->value, figure.value) : "-");
    }
    for (const auto& old : before.figures) {
        if (!is_run(old) || now.find(old.name) != nullptr) continue;
        lonely += fmt::format("{:{}} {:>12} {:>12} {:>10}\n", old.name, width, value_or_reason(old), "", "not run");
    }
    return text + lonely;
}

}  // namespace bulkhead::tool
