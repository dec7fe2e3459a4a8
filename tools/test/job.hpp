// SPDX-License-Identifier: Apache-2.0
// The unit of work of the test runner: one process or one emulated machine that reports on a number of tests.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/machine/layout.hpp"
#include "tools/machine/platform.hpp"
#include "tools/test/filter.hpp"
#include "tools/test/plan.hpp"

namespace bulkhead::tool {

struct Job {
    std::string name;                  ///< unit.BINARY, kernel.lines, system.PROGRAM@PLATFORM/CPUS, bench.guard@PLATFORM, scenario.NAME@PLATFORM
    std::vector<std::string> cases;    ///< full names of all tests this job reports on
    unsigned timeout_s = 0;
    std::optional<std::string> skip_reason = {};  ///< set: the job is not run, each case counts as skipped
    /// Runs it; results carry the names in `cases`. An exception fails them all.
    std::function<std::vector<CaseResult>()> run = {};
};

/// What `bulkhead test` was asked for.
struct TestOptions {
    Filter filter{""};
    std::string exact_job = {};         ///< only the job of exactly this name (used by ctest)
    std::vector<Platform> platforms = {};  ///< empty: those each test lists
    bool nested = false;
    unsigned parallel = 2;
};

/// Where and on what the jobs run.
struct TestContext {
    Layout layout;
    HostFacts facts;
    TestOptions options;
};

[[nodiscard]] std::vector<Job> unit_jobs(const TestContext& context);
[[nodiscard]] std::vector<Job> size_jobs(const TestContext& context);
[[nodiscard]] std::vector<Job> system_jobs(const TestContext& context);
[[nodiscard]] std::vector<Job> bench_jobs(const TestContext& context);
[[nodiscard]] std::vector<Job> scenario_jobs(const TestContext& context);

/// Why a test does not run on `platform` here, or nothing.
[[nodiscard]] std::optional<std::string> why_skipped(Platform platform, const TestContext& context);

/// Of the platforms a test lists, those it runs on: all, or those asked for. A test that runs under emulation
/// also runs on `kvm` when that was asked for by name.
[[nodiscard]] std::vector<Platform> selected_platforms(const std::vector<Platform>& listed, const TestOptions& options);

/// A log for one run of a job: build/.../logs/test/NAME.log, or with this process's number when another test run in the
/// same tree is writing that. Call it once for each run.
[[nodiscard]] std::filesystem::path job_log(const Layout& layout, std::string_view job_name);

/// Runs everything selected, prints progress and the summary line; returns the exit status.
int run_tests(const TestContext& context);

/// Writes add_test() lines for the jobs that need a machine; the unit tests register themselves.
void write_ctest_file(const TestContext& context, const std::filesystem::path& file);

}  // namespace bulkhead::tool
