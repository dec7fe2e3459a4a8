// SPDX-License-Identifier: Apache-2.0
// A measurement in a rig, from its start to the line that says it is done.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "tools/machine/layout.hpp"
#include "tools/nested/nested.hpp"

namespace bulkhead::bench {

/// What a rig printed, and what went wrong (empty: nothing). Lines up to a failure are kept: figures that are there
/// are not lost with those that are not.
struct RigOutput {
    std::vector<std::string> lines;
    std::string problem;
};

/// The last line of a script that got to its end.
constexpr std::string_view kDone = "@done";

/// Runs a rig. Every line goes to `log_file`; those that start with '@' also to `progress` as they come.
[[nodiscard]] RigOutput run_rig(const tool::Layout& layout, const tool::Rig& rig, const std::filesystem::path& log_file,
                                std::chrono::seconds limit, const std::function<void(std::string_view)>& progress);

}  // namespace bulkhead::bench
