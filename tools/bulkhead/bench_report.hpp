// SPDX-License-Identifier: Apache-2.0
// The report: one self-contained HTML page and the same tables as Markdown, over the figures of all platforms that were
// measured into one directory.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/bulkhead/bench_figures.hpp"
#include "tools/bulkhead/bench_target.hpp"
#include "tools/bulkhead/bench_trace.hpp"

namespace bulkhead::tool {

/// The emulator or host processor, its model and the number of CPUs.
[[nodiscard]] std::string describe_machine(Platform platform, unsigned cpus, const BenchReady& ready);
/// The commit of the source tree, "-modified" behind it if files differ from it; "unknown" outside git.
[[nodiscard]] std::string describe_commit(const Layout& layout);

/// What a directory of a report holds.
struct ReportContent {
    std::vector<BenchFigures> sets;
    std::vector<BenchItem> items = {};
    std::vector<TracedRun> traced = {};  ///< by Bochs, on VT-x or AMD-V
};

/// Adds the figures of a run as NAME.json to the directory, then writes index.html and benchmarks.md over all that is
/// there.
void write_report(const std::filesystem::path& directory, const std::string& name, const std::string& json,
                  const std::vector<BenchItem>& items);
/// The same with the totals of traces, which replace older ones of the same names.
void write_traces_report(const std::filesystem::path& directory, const std::vector<TracedRun>& traced,
                         const std::vector<BenchItem>& items);

[[nodiscard]] std::string report_html(const ReportContent& content);
[[nodiscard]] std::string report_markdown(const ReportContent& content);

}  // namespace bulkhead::tool
