// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_reporter.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "tools/bulkhead/bench_figures.hpp"
#include "tools/bulkhead/bench_fit.hpp"

namespace bulkhead::tool {

namespace {

constexpr double kWorstFit = 0.25;  ///< what fits worse, as a cost in steps does, is not called a growth

benchmark::BigO library_name(Growth growth) {
    switch (growth) {
        case Growth::Constant: return benchmark::o1;
        case Growth::Logarithmic: return benchmark::oLogN;
        case Growth::Linear: return benchmark::oN;
        case Growth::LinearLogarithmic: return benchmark::oNLogN;
        case Growth::Quadratic: return benchmark::oNSquared;
    }
    return benchmark::oNone;
}

}  // namespace

BenchReporter::BenchReporter(BenchUnit unit, const std::map<std::string, std::string>& context,
                             const std::vector<BenchItem>& items, std::ostream& json)
    : UnitTable(std::string(to_string(unit))), unit_(unit), our_context_(context) {
    json_.SetOutputStream(&json);
    for (const auto& item : items) {
        if (item.values.size() >= 3) values_to_come_[item.name] = item.values.size();
    }
}

bool BenchReporter::ReportContext(const Context& context) {
    UnitTable::ReportContext(context);
    for (const auto& [key, value] : our_context_) fmt::print("{}: {}\n", key, value);
    if (unit_ == BenchUnit::Instructions) fmt::print("figures are instructions executed, exact; they are not time\n");
    return json_.ReportContext(context);
}

void BenchReporter::ReportRuns(const std::vector<Run>& runs) {
    std::vector<Run> ours;
    for (const auto& run : runs) ours.push_back(bench::cleaned(run));
    append_fit(ours);
    UnitTable::ReportRuns(ours);
    json_.ReportRuns(ours);
}

void BenchReporter::Finalize() { json_.Finalize(); }

void BenchReporter::append_fit(std::vector<Run>& runs) {
    if (runs.empty()) return;
    const Run& last = runs.front();
    const std::string family = last.run_name.function_name;
    const auto to_come = values_to_come_.find(family);
    if (to_come == values_to_come_.end()) return;
    auto& points = points_[family];
    for (const auto& run : runs) {
        const auto value = BenchFigure{run.run_name.str()}.sweep_value();
        if (run.run_type == Run::RT_Iteration && !run.error_occurred && value) points.emplace_back(*value, run.GetAdjustedRealTime());
    }
    if (--to_come->second != 0) return;
    const auto fit = fit_growth(points);
    if (!fit || fit->relative_error > kWorstFit) return;
    Run growth;
    growth.run_name.function_name = family;
    growth.family_index = last.family_index;
    growth.per_family_instance_index = 0;
    growth.run_type = Run::RT_Aggregate;
    growth.aggregate_name = "BigO";
    growth.repetitions = last.repetitions;
    growth.repetition_index = Run::no_repetition_index;
    growth.threads = last.threads;
    growth.time_unit = last.time_unit;
    growth.iterations = 0;
    growth.report_big_o = true;
    growth.complexity = library_name(fit->growth);
    growth.real_accumulated_time = (fit->growth == Growth::Constant ? fit->fixed : fit->per) * 1e-9;
    growth.cpu_accumulated_time = growth.real_accumulated_time;
    growth.counters["fixed"] = fit->growth == Growth::Constant ? 0 : fit->fixed;
    growth.counters["error_percent"] = fit->relative_error * 100;
    runs.push_back(growth);
}

std::string BenchReporter::figure_of(const Run& run) const {
    if (run.report_big_o) {
        for (const auto growth : {Growth::Constant, Growth::Logarithmic, Growth::Linear, Growth::LinearLogarithmic, Growth::Quadratic}) {
            if (library_name(growth) == run.complexity) return fmt::format("{:.2f} {}", run.GetAdjustedRealTime(), to_string(growth));
        }
    }
    return UnitTable::figure_of(run);
}

}  // namespace bulkhead::tool
