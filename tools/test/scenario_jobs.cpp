// SPDX-License-Identifier: Apache-2.0
// Jobs for the boot scenarios.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "tools/bulkhead/system.hpp"
#include "tools/debug/symbolize.hpp"
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

SystemRequest request_of(const ScenarioRun& run, const Layout& layout) {
    const Scenario& scenario = run.scenario;
    SystemRequest request;
    if (!scenario.system.empty()) request.manifest = layout.source / scenario.system;
    request.platform = run.platform;
    request.uefi = scenario.uefi;
    request.exit_device = scenario.exit_device;
    request.overrides.cpus = run.cpus;
    if (!scenario.cmdline.empty()) request.overrides.command_line = scenario.cmdline;
    request.kernel_arguments = scenario.kernel_arguments;
    if (!scenario.exec.empty()) request.exec_command = scenario.exec;
    if (run.platform == Platform::QemuSvm) request.cpu_model = scenario.qemu_cpu;
    if (run.platform == Platform::BochsVmx) request.cpu_model = scenario.bochs_cpu;
    request.real_memory_bytes = scenario.machine_memory_bytes;
    request.broken_modules = scenario.broken_modules;
    request.missing_modules = scenario.missing_modules;
    return request;
}

/// How far the first number that was printed, if it is a time, was from the time at which it came.
class ClockCheck {
  public:
    void output(std::string_view text) {
        if (complete_) return;
        text_ += text;
        complete_ = text_.find('\n') != std::string::npos;
        arrived_ = std::time(nullptr);
    }
    std::int64_t error_s() const { return complete_ ? std::strtoll(text_.c_str(), nullptr, 10) - arrived_ : INT64_MIN / 2; }

  private:
    std::string text_;
    bool complete_ = false;
    std::time_t arrived_ = 0;
};

std::vector<CaseResult> run_scenario(const ScenarioRun& run, const Layout& layout) {
    const fs::path log_file = job_log(layout, run.job_name);
    ScenarioOutcome outcome;
    ClockCheck clock;
    const auto output = [&](std::string_view text) {
        outcome.output += text;
        clock.output(text);
    };
    try {
        const auto result = run_system(layout, request_of(run, layout), log_file, std::chrono::seconds(run.timeout_s), output);
        outcome.status = result.status;
        outcome.problem = result.problem;
    } catch (const Error& error) {
        outcome.problem = error.what();  // nothing was started
    }
    outcome.clock_error_s = clock.error_s();
    if (fs::exists(log_file)) outcome.log = symbolize_text(layout, read_file(log_file));
    const auto wrong = judge(run.scenario, outcome);
    if (!wrong) return {{run.job_name, Outcome::Passed}};
    return {{run.job_name, Outcome::Failed, *wrong + "\nlog: " + log_file.string()}};
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
