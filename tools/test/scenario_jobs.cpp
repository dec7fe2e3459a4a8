// SPDX-License-Identifier: Apache-2.0
// Jobs for the boot scenarios.
#include <fmt/format.h>

#include <algorithm>

#include "tools/bulkhead/system.hpp"
#include "tools/machine/error.hpp"
#include "tools/test/job.hpp"
#include "tools/test/scenario.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

struct ScenarioRun {
    Scenario scenario;
    Platform platform;
    std::optional<unsigned> cpus;
    std::string job_name;
    unsigned timeout_s;
};

std::vector<Scenario> load_scenarios(const Layout& layout) {
    std::vector<Scenario> scenarios;
    const fs::path directory = layout.source / "tests" / "scenarios";
    if (!fs::exists(directory)) return scenarios;
    for (const auto& entry : fs::directory_iterator(directory)) {
        if (entry.path().extension() != ".toml") continue;
        const auto name = entry.path().stem().string();
        scenarios.push_back(parse_scenario(read_file(entry.path()), "tests/scenarios/" + name + ".toml", name));
    }
    std::sort(scenarios.begin(), scenarios.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return scenarios;
}

std::vector<CaseResult> run_scenario(const ScenarioRun& run, const Layout& layout) {
    SystemRequest request;
    if (!run.scenario.system.empty()) request.manifest = layout.source / run.scenario.system;
    request.platform = run.platform;
    request.uefi = run.scenario.uefi;
    request.overrides.cpus = run.cpus;
    if (!run.scenario.cmdline.empty()) request.overrides.command_line = run.scenario.cmdline;
    request.kernel_arguments = run.scenario.kernel_arguments;
    if (!run.scenario.exec.empty()) request.exec_command = run.scenario.exec;

    const fs::path log_file = job_log(layout, run.job_name);
    std::string output;
    const auto result = run_system(layout, request, log_file, std::chrono::seconds(run.timeout_s),
                                   [&output](std::string_view text) { output += text; });
    std::string problem = result.problem;
    if (problem.empty()) {
        problem = judge(run.scenario, result.status, output, fs::exists(log_file) ? read_file(log_file) : "").value_or("");
    }
    if (problem.empty()) return {{run.job_name, Outcome::Passed}};
    return {{run.job_name, Outcome::Failed, problem + "\nlog: " + log_file.string()}};
}

Job make_job(ScenarioRun run, const TestContext& context) {
    Job job;
    job.name = fmt::format("scenario.{}@{}", run.scenario.name, to_string(run.platform));
    if (run.cpus) job.name += fmt::format("/{}", *run.cpus);
    job.cases = {job.name};
    job.timeout_s = static_cast<unsigned>(run.scenario.timeout_s * slowness(run.platform));
    job.skip_reason = why_skipped(run.platform, context);
    run.job_name = job.name;
    run.timeout_s = job.timeout_s;
    job.run = [run, layout = context.layout] { return run_scenario(run, layout); };
    return job;
}

}  // namespace

std::vector<Job> scenario_jobs(const TestContext& context) {
    std::vector<Job> jobs;
    for (const auto& scenario : load_scenarios(context.layout)) {
        for (const auto platform : selected_platforms(scenario.platforms, context.options)) {
            if (scenario.uefi && platform == Platform::BochsVmx) continue;
            std::vector<std::optional<unsigned>> counts(scenario.cpus.begin(), scenario.cpus.end());
            if (counts.empty()) counts.push_back(std::nullopt);
            for (const auto& cpus : counts) jobs.push_back(make_job({scenario, platform, cpus, "", 0}, context));
        }
    }
    return jobs;
}

}  // namespace bulkhead::tool
