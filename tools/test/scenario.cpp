// SPDX-License-Identifier: Apache-2.0
#include "tools/test/scenario.hpp"

#include <cstdlib>
#include <regex>

#include "tools/test/toml_table.hpp"

namespace bulkhead::tool {

namespace {

void check_patterns(const std::vector<std::string>& patterns, std::string_view file_name) {
    for (const auto& pattern : patterns) {
        try {
            const std::regex compiled(pattern, std::regex::multiline);
        } catch (const std::regex_error& error) {
            throw Error(fmt::format("{}: '{}' is no regular expression: {}", file_name, pattern, error.what()));
        }
    }
}

bool found(const std::string& pattern, const std::string& text) {
    return std::regex_search(text, std::regex(pattern, std::regex::multiline));
}

}  // namespace

Scenario parse_scenario(std::string_view text, std::string_view file_name, std::string_view name) {
    const auto document = parse_toml(text, file_name);
    Scenario scenario;
    scenario.name = name;
    TableReader reader(document, file_name);
    reader.read("system", scenario.system);
    reader.read("exec", scenario.exec);
    reader.read("status", scenario.status);
    reader.read("expect", scenario.expect);
    reader.read("expect_log", scenario.expect_log);
    reader.read("reject_log", scenario.reject_log);
    reader.read("clock_tolerance_s", scenario.clock_tolerance_s);
    reader.read("cpus", scenario.cpus);
    reader.read("cmdline", scenario.cmdline);
    reader.read("kernel_arguments", scenario.kernel_arguments);
    reader.read("platforms", scenario.platforms);
    reader.read("timeout_s", scenario.timeout_s);
    reader.read("uefi", scenario.uefi);
    reader.read("exit_device", scenario.exit_device);
    reader.read("expect_problem", scenario.expect_problem);
    reader.read("qemu_cpu", scenario.qemu_cpu);
    reader.read("bochs_cpu", scenario.bochs_cpu);
    reader.read_size("machine_memory", scenario.machine_memory_bytes);
    reader.read("broken_modules", scenario.broken_modules);
    reader.read("missing_modules", scenario.missing_modules);
    reader.finish();
    check_patterns(scenario.expect, file_name);
    check_patterns(scenario.expect_log, file_name);
    check_patterns(scenario.reject_log, file_name);
    check_patterns(scenario.expect_problem, file_name);
    return scenario;
}

std::optional<std::string> judge(const Scenario& scenario, const ScenarioOutcome& outcome) {
    if (scenario.expect_problem.empty() && !outcome.problem.empty()) return outcome.problem;
    if (!scenario.expect_problem.empty() && outcome.problem.empty()) {
        return fmt::format("it ended well, with status {}, and should have failed", outcome.status);
    }
    for (const auto& pattern : scenario.expect_problem) {
        if (!found(pattern, outcome.problem)) return fmt::format("the message does not match '{}'; it is:\n{}", pattern, outcome.problem);
    }
    for (const auto& pattern : scenario.expect) {
        if (!found(pattern, outcome.output)) return fmt::format("the output does not match '{}'; it is:\n{}", pattern, outcome.output);
    }
    if (outcome.problem.empty() && outcome.status != scenario.status) {
        return fmt::format("it ended with status {} instead of {}; output:\n{}", outcome.status, scenario.status, outcome.output);
    }
    for (const auto& pattern : scenario.expect_log) {
        if (!found(pattern, outcome.log)) return fmt::format("the log does not match '{}'", pattern);
    }
    for (const auto& pattern : scenario.reject_log) {
        if (found(pattern, outcome.log)) return fmt::format("the log matches '{}', which it must not", pattern);
    }
    if (scenario.clock_tolerance_s != 0 && std::abs(outcome.clock_error_s) > scenario.clock_tolerance_s) {
        return fmt::format("the time it printed is {} s off this machine's; output:\n{}", outcome.clock_error_s, outcome.output);
    }
    return std::nullopt;
}

}  // namespace bulkhead::tool
