// SPDX-License-Identifier: Apache-2.0
#include "bench/report/unit_table.hpp"

#include <algorithm>
#include <cstdio>

#include "bench/report/figure_text.hpp"

namespace bulkhead::bench {

namespace {

constexpr int kFigureWidth = 14;
constexpr std::size_t kNarrowest = 10;
constexpr std::size_t kWidest = 44;  ///< the suffixes that are cleaned off count in the library's width

}  // namespace

benchmark::BenchmarkReporter::Run cleaned(benchmark::BenchmarkReporter::Run run) {
    run.run_name.iterations.clear();
    run.run_name.min_time.clear();
    run.run_name.time_type.clear();
    run.run_name.repetitions.clear();
    run.cpu_accumulated_time = run.real_accumulated_time;
    return run;
}

bool UnitTable::ReportContext(const Context& context) {
    name_width_ = static_cast<int>(std::clamp(context.name_field_width, kNarrowest, kWidest));
    return true;
}

void UnitTable::ReportRuns(const std::vector<Run>& runs) {
    ConsoleReporter::ReportRuns(runs);
    std::fflush(stdout);
}

std::string UnitTable::figure_of(const Run& run) const { return figure_text(run.GetAdjustedRealTime()); }

void UnitTable::PrintHeader(const Run& /*run*/) {
    char head[160];
    std::snprintf(head, sizeof head, "%-*s %*s %10s  counters per operation", name_width_, "Benchmark", kFigureWidth,
                  unit_.c_str(), "iterations");
    const std::string text = head;
    const std::string rule(text.size(), '-');
    std::printf("%s\n%s\n%s\n", rule.c_str(), head, rule.c_str());
}

void UnitTable::PrintRunData(const Run& run) {
    std::printf("%-*s ", name_width_, run.benchmark_name().c_str());
    if (run.error_occurred) {
        std::printf("%s\n", run.error_message.c_str());
        return;
    }
    const std::string iterations = run.report_big_o ? "" : std::to_string(run.iterations);
    std::printf("%*s %10s", kFigureWidth, figure_of(run).c_str(), iterations.c_str());
    for (const auto& [name, counter] : run.counters) std::printf("  %s=%s", name.c_str(), figure_text(counter.value).c_str());
    std::printf("\n");
}

}  // namespace bulkhead::bench
