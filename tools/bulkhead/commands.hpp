// SPDX-License-Identifier: Apache-2.0
// One function per subcommand: it declares its options on `app` and registers what runs when it was chosen.
#pragma once

#include <functional>
#include <vector>

#include <CLI/CLI.hpp>

#include "tools/machine/platform.hpp"

namespace bulkhead::tool {

/// Where a subcommand leaves what main() shall run; its result is the exit status.
using Action = std::function<int()>;

void add_run_command(CLI::App& app, Action& action);
void add_test_command(CLI::App& app, Action& action);
void add_bench_command(CLI::App& app, Action& action);
void add_build_command(CLI::App& app, Action& action);
void add_check_command(CLI::App& app, Action& action);
void add_symbolize_command(CLI::App& app, Action& action);
void add_compare_command(CLI::App& app, Action& action);

/// Turns a platform's name into what CLI11 reads as the enumerator, for options named --on.
[[nodiscard]] CLI::Validator platform_name();

}  // namespace bulkhead::tool
