// SPDX-License-Identifier: Apache-2.0
// Jobs for the system tests: one program as root task on the real kernel, on each machine its suite lists.
#include <fmt/format.h>

#include <algorithm>

#include "tools/bulkhead/system.hpp"
#include "tools/console/session.hpp"
#include "tools/image/elf_file.hpp"
#include "tools/machine/error.hpp"
#include "tools/nested/nested.hpp"
#include "tools/test/job.hpp"
#include "tools/test/suites.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kProgramPrefix = "test-";
constexpr const char* kTestSection = ".bulkhead_tests";

/// One run of one suite.
struct SystemRun {
    Suite suite;
    Platform platform;
    unsigned cpus;
    std::string job_name;
    std::vector<std::string> cases;  ///< as the program names them
};

std::vector<Suite> load_suites(const Layout& layout) {
    const fs::path file = layout.source / "tests" / "system" / "suites.toml";
    if (!fs::exists(file)) return {};
    return parse_suites(read_file(file), "tests/system/suites.toml");
}

std::vector<std::string> test_programs(const Layout& layout) {
    std::vector<std::string> names;
    const fs::path directory = layout.build / "programs";
    if (!fs::exists(directory)) return names;
    for (const auto& entry : fs::directory_iterator(directory)) {
        const auto name = entry.path().filename().string();
        if (name.starts_with(kProgramPrefix) && name.find('.') == std::string::npos) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string case_name(std::string_view job, std::string_view test) { return fmt::format("{}:{}", job, test); }

MachineOptions machine_options(const SystemRun& run, const fs::path& image, const fs::path& work) {
    MachineOptions options;
    options.platform = run.platform;
    options.cpus = run.cpus;
    options.memory_bytes = run.suite.memory_bytes;
    options.image = image;
    options.work_directory = work;
    if (run.suite.counted) options.time = MachineTime::Counted;
    if (run.platform == Platform::QemuSvm) options.cpu_model = run.suite.qemu_cpu;
    if (run.platform == Platform::BochsVmx) options.cpu_model = run.suite.bochs_cpu;
    return options;
}

std::vector<CaseResult> run_system_test(const SystemRun& run, unsigned timeout_s, const Layout& layout) {
    const TemporaryDirectory work;
    const fs::path iso = work.path() / "boot.iso";
    BootImage image{layout.kernel(), "console=com1 " + run.suite.arguments, {{"init", layout.program(run.suite.program)}}};
    build_iso(image, iso, work.path());
    RunLog log(job_log(layout, run.job_name));
    auto machine = start_machine(layout, machine_options(run, iso, work.path()));

    PlanParser plan;
    LineSplitter lines([&plan](std::string_view line) { plan.line(line); });
    const auto ended = plain_session(machine, log, std::chrono::seconds(timeout_s),
                                     [&lines](std::string_view text) { lines.feed(text); });
    lines.finish();

    std::vector<CaseResult> reported = plan.results();
    for (auto& result : reported) result.name = case_name(run.job_name, result.name);
    std::vector<std::string> expected;
    for (const auto& test : run.cases) expected.push_back(case_name(run.job_name, test));
    std::string why_missing = "did not report";
    if (!ended.problem.empty()) why_missing += ": " + ended.problem;
    else if (!plan.done()) why_missing += fmt::format(": the run ended with status {} before its `done`", ended.status);
    why_missing += "\nlog: " + log.file().string();
    auto results = reconcile(expected, reported, why_missing);
    // All cases may have passed before the kernel panicked or the program failed.
    const bool any_failed = std::any_of(results.begin(), results.end(), [](const auto& result) { return result.outcome == Outcome::Failed; });
    if (!any_failed && (ended.status != 0 || !ended.problem.empty())) {
        const auto problem = ended.problem.empty() ? fmt::format("the run ended with status {}", ended.status) : ended.problem;
        results.push_back({case_name(run.job_name, "end"), Outcome::Failed, problem + "\nlog: " + log.file().string()});
    }
    return results;
}

/// A job that only says what is wrong with a program.
Job broken_job(const std::string& program, const std::string& why) {
    Job job;
    job.name = "system." + program;
    job.cases = {job.name};
    job.run = [name = job.name, why] { return std::vector<CaseResult>{{name, Outcome::Failed, why}}; };
    return job;
}

Job make_job(SystemRun run, const TestContext& context) {
    Job job;
    run.job_name = fmt::format("system.{}@{}/{}", run.suite.program, to_string(run.platform), run.cpus);
    job.name = run.job_name;
    for (const auto& test : run.cases) job.cases.push_back(case_name(job.name, test));
    job.timeout_s = static_cast<unsigned>(run.suite.timeout_s * slowness(run.platform));
    job.skip_reason = why_skipped(run.platform, context);
    job.run = [run, timeout = job.timeout_s, layout = context.layout] { return run_system_test(run, timeout, layout); };
    return job;
}

}  // namespace

std::vector<Job> system_jobs(const TestContext& context) {
    std::vector<Job> jobs;
    const auto suites = load_suites(context.layout);
    const auto programs = test_programs(context.layout);
    for (const auto& program : programs) {
        const bool listed = std::any_of(suites.begin(), suites.end(), [&](const auto& suite) { return suite.program == program; });
        if (!listed) jobs.push_back(broken_job(program, "build/default/programs has it, tests/system/suites.toml does not"));
    }
    for (const auto& suite : suites) {
        const fs::path file = context.layout.program(suite.program);
        if (!fs::exists(file)) {
            jobs.push_back(broken_job(suite.program, "listed in tests/system/suites.toml, but not built"));
            continue;
        }
        const auto section = elf_section(file, kTestSection);
        const auto cases = split_strings(section.value_or(""));
        if (cases.empty()) {
            jobs.push_back(broken_job(suite.program, fmt::format("names no tests in its section {}", kTestSection)));
            continue;
        }
        for (const auto platform : selected_platforms(suite.platforms, context.options)) {
            for (const unsigned cpus : suite.cpus) jobs.push_back(make_job({suite, platform, cpus, "", cases}, context));
        }
    }
    return jobs;
}

}  // namespace bulkhead::tool
