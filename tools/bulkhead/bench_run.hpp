// SPDX-License-Identifier: Apache-2.0
// Google Benchmark over the target's benchmarks: each is registered, asked for while the library runs it, and reported
// through it (console table, JSON, statistics of repetitions, complexity fits).
#pragma once

#include <map>
#include <string>

#include "tools/bulkhead/bench_figures.hpp"
#include "tools/bulkhead/bench_target.hpp"

namespace bulkhead::tool {

struct BenchSelection {
    std::string filter = {};  ///< regular expression on names of runs; empty: all
    unsigned repetitions = 1;
    double minimum_time_s = 0.2;  ///< per benchmark where the clock is real
};

struct BenchRunResult {
    BenchFigures figures;
    std::string json;    ///< Google Benchmark's, of all that finished
    unsigned failed = 0; ///< runs that ended in an error; skipped ones are none
};

/// Runs what the filter names; throws Error if it names nothing or is no regular expression.
[[nodiscard]] BenchRunResult run_benchmarks(BenchTarget& target, const std::vector<BenchItem>& items,
                                            const BenchSelection& selection,
                                            const std::map<std::string, std::string>& context);

/// The items with only those values whose run names match; throws Error on a bad expression.
[[nodiscard]] std::vector<BenchItem> select_items(const std::vector<BenchItem>& items, const std::string& filter);

}  // namespace bulkhead::tool
