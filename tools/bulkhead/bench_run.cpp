// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_run.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <regex>
#include <sstream>

#include "tools/bulkhead/bench_reporter.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::tool {

namespace {

constexpr const char* kSkipped = "skipped: ";

/// One run of the library: asks the target once for all iterations.
void measure(benchmark::State& state, BenchTarget& target, const BenchItem& item, unsigned& failed) {
    const bool has_sweep = !item.argument.empty();
    const auto argument = has_sweep ? static_cast<std::uint64_t>(state.range(0)) : item.values.front();
    const auto iterations = static_cast<std::uint64_t>(state.max_iterations);
    const auto outcome = target.run(item.name, argument, iterations);
    if (const auto* skip = std::get_if<BenchSkip>(&outcome)) return state.SkipWithError((kSkipped + skip->reason).c_str());
    if (const auto* error = std::get_if<BenchError>(&outcome)) {
        ++failed;
        return state.SkipWithError(error->why.c_str());
    }
    const auto& result = std::get<BenchResult>(outcome);
    // One unit is reported as one nanosecond: the library knows time only. The table says what it is.
    const double per_operation = static_cast<double>(result.ticks) / static_cast<double>(result.operations);
    const double total_s = per_operation * static_cast<double>(iterations) * target.tick_value() * 1e-9;
    bool first = true;
    for ([[maybe_unused]] auto _ : state) {
        state.SetIterationTime(first ? total_s : 0);
        first = false;
    }
    for (const auto& [name, value] : result.counters) {
        state.counters[name] = static_cast<double>(value) / static_cast<double>(result.operations);
    }
}

void register_item(BenchTarget& target, const BenchItem& item, const BenchSelection& selection, unsigned& failed) {
    auto* registered = benchmark::RegisterBenchmark(
        item.name.c_str(), [&target, item, &failed](benchmark::State& state) { measure(state, target, item, failed); });
    registered->UseManualTime()->Unit(benchmark::kNanosecond);
    // An exact count needs no long run; a clock does.
    if (target.repeats()) registered->Iterations(static_cast<benchmark::IterationCount>(item.iterations));
    else registered->MinTime(selection.minimum_time_s);
    if (selection.repetitions > 1) registered->Repetitions(static_cast<int>(selection.repetitions));
    if (item.argument.empty()) return;
    registered->ArgName(item.argument);
    for (const auto value : item.values) registered->Arg(static_cast<std::int64_t>(value));
}

}  // namespace

std::vector<BenchItem> select_items(const std::vector<BenchItem>& items, const std::string& filter) {
    std::regex pattern;
    try {
        pattern = std::regex(filter);
    } catch (const std::regex_error& error) {
        throw Error(fmt::format("--filter {}: not a regular expression ({})", filter, error.what()));
    }
    std::vector<BenchItem> selected;
    for (auto item : items) {
        std::erase_if(item.values, [&](auto value) { return !std::regex_search(item.run_name(value), pattern); });
        if (!item.values.empty()) selected.push_back(std::move(item));
    }
    return selected;
}

BenchRunResult run_benchmarks(BenchTarget& target, const std::vector<BenchItem>& items, const BenchSelection& selection,
                              const std::map<std::string, std::string>& context) {
    const auto selected = select_items(items, selection.filter);
    if (selected.empty()) {
        std::string names;
        for (const auto& item : items) names += "\n  " + item.name;
        throw Error(fmt::format("no benchmark matches '{}'; there are:{}", selection.filter, names));
    }
    BenchRunResult result;
    std::string name = "bulkhead";
    char* arguments[] = {name.data(), nullptr};
    int count = 1;
    benchmark::Initialize(&count, arguments);
    for (const auto& [key, value] : context) benchmark::AddCustomContext(key, value);
    for (const auto& item : selected) register_item(target, item, selection, result.failed);

    std::ostringstream json;
    BenchReporter reporter(target.unit(), context, selected, json);
    benchmark::RunSpecifiedBenchmarks(&reporter, ".");
    benchmark::Shutdown();
    result.json = json.str();
    result.figures = parse_bench_figures(result.json, "the figures of this run");
    return result;
}

}  // namespace bulkhead::tool
