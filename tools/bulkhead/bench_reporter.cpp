// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_reporter.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "tools/bulkhead/bench_figures.hpp"

namespace bulkhead::tool {

namespace {

constexpr int kFigureWidth = 14;

/// Names without what only says how the library was used ("/iterations:100/manual_time"), and no time of our own.
benchmark::BenchmarkReporter::Run cleaned(benchmark::BenchmarkReporter::Run run) {
    run.run_name.iterations.clear();
    run.run_name.min_time.clear();
    run.run_name.time_type.clear();
    run.run_name.repetitions.clear();
    run.cpu_accumulated_time = run.real_accumulated_time;
    return run;
}

}  // namespace

BenchReporter::BenchReporter(BenchUnit unit, const std::map<std::string, std::string>& context, std::ostream& json)
    : ConsoleReporter(OO_None), unit_(unit), our_context_(context) {
    json_.SetOutputStream(&json);
}

bool BenchReporter::ReportContext(const Context& context) {
    name_width_ = 10;
    // The suffixes that are cleaned off count in the library's width.
    name_width_ = std::max(name_width_, std::min<std::size_t>(context.name_field_width, 44));
    for (const auto& [key, value] : our_context_) fmt::print("{}: {}\n", key, value);
    if (unit_ == BenchUnit::Instructions) fmt::print("figures are instructions executed, exact; they are not time\n");
    return json_.ReportContext(context);
}

void BenchReporter::ReportRuns(const std::vector<Run>& runs) {
    std::vector<Run> ours;
    for (const auto& run : runs) ours.push_back(cleaned(run));
    ConsoleReporter::ReportRuns(ours);
    json_.ReportRuns(ours);
    std::fflush(stdout);
}

void BenchReporter::Finalize() { json_.Finalize(); }

void BenchReporter::PrintHeader(const Run& /*run*/) {
    const auto head = fmt::format("{:<{}} {:>{}} {:>10}  counters per operation", "Benchmark", name_width_,
                                  to_string(unit_), kFigureWidth, "iterations");
    const std::string rule(head.size(), '-');
    fmt::print("{}\n{}\n{}\n", rule, head, rule);
}

std::string BenchReporter::figure_of(const Run& run) const {
    if (run.report_big_o) {
        const auto name = run.complexity == benchmark::o1         ? "(1)"
                          : run.complexity == benchmark::oN       ? "N"
                          : run.complexity == benchmark::oNSquared ? "N^2"
                          : run.complexity == benchmark::oNCubed  ? "N^3"
                          : run.complexity == benchmark::oLogN    ? "lgN"
                          : run.complexity == benchmark::oNLogN   ? "NlgN"
                                                                  : "?";
        return fmt::format("{:.2f} {}", run.GetAdjustedRealTime(), name);
    }
    if (run.report_rms) return fmt::format("{:.0f} %", run.GetAdjustedRealTime() * 100);
    return format_figure(run.GetAdjustedRealTime());
}

void BenchReporter::PrintRunData(const Run& run) {
    fmt::print("{:<{}} ", run.benchmark_name(), name_width_);
    if (run.error_occurred) {
        fmt::print("{}\n", run.error_message);
        return;
    }
    const bool is_fit = run.report_big_o || run.report_rms;
    fmt::print("{:>{}} {:>10}", figure_of(run), kFigureWidth, is_fit ? "" : std::to_string(run.iterations));
    for (const auto& [name, counter] : run.counters) fmt::print("  {}={}", name, format_figure(counter.value));
    fmt::print("\n");
}

}  // namespace bulkhead::tool
