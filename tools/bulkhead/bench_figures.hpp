// SPDX-License-Identifier: Apache-2.0
// Figures of a finished run, as `./bulkhead bench` reports, stores, loads and compares them. The file format is Google
// Benchmark's JSON, so that its tools read ours and we read theirs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/report/figure_text.hpp"

namespace bulkhead::tool {

/// One line of the table.
struct BenchFigure {
    std::string name;              ///< FAMILY or FAMILY/ARGUMENT:VALUE
    double value = 0;              ///< per operation, in the unit of the set
    std::uint64_t iterations = 0;
    std::map<std::string, double> counters = {};
    std::string skipped = {};      ///< set: there is no figure, and why
    std::string complexity = {};   ///< of a fit over a family: "1", "N", ...
    /// Part of the name in front of the value, the argument's name and the value, if it has any.
    [[nodiscard]] std::string family() const;
    [[nodiscard]] std::string argument() const;
    [[nodiscard]] std::optional<double> sweep_value() const;
};

struct BenchFigures {
    /// platform, unit, commit, machine, ...
    std::map<std::string, std::string> context;
    std::vector<BenchFigure> figures;

    [[nodiscard]] std::string text(const std::string& key) const;
    [[nodiscard]] const BenchFigure* find(std::string_view name) const;
};

/// Reads Google Benchmark's JSON; throws Error that names the file.
[[nodiscard]] BenchFigures load_bench_figures(const std::filesystem::path& file);
[[nodiscard]] BenchFigures parse_bench_figures(std::string_view text, const std::string& file_name);

/// Both sets side by side with the change in percent: what is in both, then what only one has. Throws Error if their
/// units differ.
[[nodiscard]] std::string compare_bench_figures(const BenchFigures& before, const BenchFigures& now);

using bench::figure_text;

}  // namespace bulkhead::tool
