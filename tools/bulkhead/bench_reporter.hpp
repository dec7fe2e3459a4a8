// SPDX-License-Identifier: Apache-2.0
// Google Benchmark's console table with our unit in its head, and its JSON beside it.
#pragma once

#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "bench/report/unit_table.hpp"
#include "tools/bulkhead/bench_target.hpp"

namespace bulkhead::tool {

class BenchReporter : public bench::UnitTable {
  public:
    /// `items` are those that will run; the JSON is complete after Finalize.
    BenchReporter(BenchUnit unit, const std::map<std::string, std::string>& context, const std::vector<BenchItem>& items,
                  std::ostream& json);

    bool ReportContext(const Context& context) override;
    void ReportRuns(const std::vector<Run>& runs) override;
    void Finalize() override;

  private:
    std::string figure_of(const Run& run) const override;
    /// After the last run of a sweep, appends its fit as the library would.
    void append_fit(std::vector<Run>& runs);

    BenchUnit unit_;
    std::map<std::string, std::string> our_context_;
    benchmark::JSONReporter json_;
    /// Of each sweep: runs to come, and what came.
    std::map<std::string, std::size_t> values_to_come_;
    std::map<std::string, std::vector<std::pair<double, double>>> points_;
};

}  // namespace bulkhead::tool
