// SPDX-License-Identifier: Apache-2.0
// The guard: exact counts of a run against those committed in bench/baseline/PLATFORM.json, with a small tolerance, and
// against the goals in bench/baseline/limits.json, which no refresh of the baseline moves.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bulkhead/bench_target.hpp"

namespace bulkhead::tool {

/// Count per operation by name of the run.
using BenchCounts = std::map<std::string, double>;

struct GuardVerdict {
    std::vector<std::string> failures;  ///< a line each: what grew, is missing, is above its limit
    std::vector<std::string> hints;     ///< what shrank: refresh the baseline
    std::vector<std::string> figures;   ///< what has a limit, with it
};

/// How much more than its baseline a count may be: 2 % or 3, whichever is larger.
[[nodiscard]] double guard_tolerance(double baseline);

[[nodiscard]] GuardVerdict judge_counts(const BenchCounts& baseline, const BenchCounts& limits, const BenchCounts& counted);

/// The JSON object NAME: NUMBER, ... under `key`; throws Error that names the file.
[[nodiscard]] BenchCounts parse_counts(std::string_view text, const std::string& key, const std::string& file_name);
[[nodiscard]] std::string format_counts(const BenchCounts& counts, std::string_view platform);

/// All guarded runs of the target; what fails is in `errors`. What has grown over `baseline` is counted again, twice at
/// most: a timer of the kernel may have struck inside the run.
[[nodiscard]] BenchCounts count_guarded(BenchTarget& target, const BenchCounts& baseline, std::vector<std::string>& errors);

/// Where the counts of a platform are committed.
[[nodiscard]] std::filesystem::path baseline_file(const Layout& layout, Platform platform);
/// Counts and writes that file; throws Error if something cannot be counted.
void write_baseline(const Layout& layout, Platform platform, BenchTarget& target);
/// Boots the target, counts and judges.
[[nodiscard]] GuardVerdict run_guard(const Layout& layout, Platform platform, std::chrono::seconds limit,
                                     const std::filesystem::path& log);

}  // namespace bulkhead::tool
