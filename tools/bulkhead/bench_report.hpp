// SPDX-License-Identifier: Apache-2.0
// The report: one self-contained HTML page and the same tables as Markdown, over the figures of all platforms that were
// measured into one directory.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/bulkhead/bench_figures.hpp"
#include "tools/bulkhead/bench_target.hpp"

namespace bulkhead::tool {

/// The emulator or host processor, its model and the number of CPUs.
[[nodiscard]] std::string describe_machine(Platform platform, unsigned cpus, const BenchReady& ready);
/// The commit of the source tree, "-modified" behind it if files differ from it; "unknown" outside git.
[[nodiscard]] std::string describe_commit(const Layout& layout);

/// Adds the figures of a run as NAME.json to the directory, then writes index.html and benchmarks.md over all
/// files there.
void write_report(const std::filesystem::path& directory, const std::string& name, const std::string& json,
                  const std::vector<BenchItem>& items);

[[nodiscard]] std::string report_html(const std::vector<BenchFigures>& sets, const std::vector<BenchItem>& items);
[[nodiscard]] std::string report_markdown(const std::vector<BenchFigures>& sets, const std::vector<BenchItem>& items);

}  // namespace bulkhead::tool
