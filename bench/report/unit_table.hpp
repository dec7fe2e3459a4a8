// SPDX-License-Identifier: Apache-2.0
// Google Benchmark's console table with our unit in its head. The library's own columns call everything time, and show
// the CPU time of the process, which says nothing where the figure is counted elsewhere.
#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace bulkhead::bench {

/// Names without what only says how the library was used ("/iterations:100/manual_time"), and no time of our own.
[[nodiscard]] benchmark::BenchmarkReporter::Run cleaned(benchmark::BenchmarkReporter::Run run);

class UnitTable : public benchmark::ConsoleReporter {
  public:
    explicit UnitTable(std::string unit) : ConsoleReporter(OO_None), unit_{std::move(unit)} {}

    bool ReportContext(const Context& context) override;
    /// Takes runs that are `cleaned`.
    void ReportRuns(const std::vector<Run>& runs) override;

  protected:
    [[nodiscard]] virtual std::string figure_of(const Run& run) const;
    void PrintHeader(const Run& run) override;
    void PrintRunData(const Run& run) override;

  private:
    std::string unit_;
    int name_width_ = 0;
};

}  // namespace bulkhead::bench
