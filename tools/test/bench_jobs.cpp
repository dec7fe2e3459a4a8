// SPDX-License-Identifier: Apache-2.0
// The guard of the benchmarks: on each machine that counts instructions exactly, a fast part of them against the counts
// committed in bench/baseline. And each benchmark inside Debian once, so that what needs a guest does not rot.
#include <fmt/format.h>

#include "tools/bulkhead/bench_guard.hpp"
#include "tools/bulkhead/bench_guest.hpp"
#include "tools/test/job.hpp"

namespace bulkhead::tool {

namespace {

constexpr unsigned kTimeoutSeconds = 120;  ///< of silence; a busy host is slow
constexpr unsigned kGuestSeconds = 360;    ///< of a whole run inside Debian, which takes 20 alone

std::vector<CaseResult> run(const std::string& name, Platform platform, unsigned timeout_s, const Layout& layout) {
    const auto log = job_log(layout, name);
    const auto verdict = run_guard(layout, platform, std::chrono::seconds(timeout_s), log);
    const auto refresh = fmt::format("./bulkhead bench --on {} --write-baseline", to_string(platform));
    CaseResult result{name};
    result.figures = verdict.figures;
    if (!verdict.hints.empty()) {
        result.figures.push_back(fmt::format("these shrank; refresh the baseline with `{}`:", refresh));
        for (const auto& hint : verdict.hints) result.figures.push_back("  " + hint);
    }
    if (!verdict.failures.empty()) {
        result.outcome = Outcome::Failed;
        result.detail = fmt::format("counts per operation against {}:\n    {}\n  if that is meant: `{}`\n  log: {}",
                                    baseline_file(layout, platform).string(), fmt::join(verdict.failures, "\n    "),
                                    refresh, log.string());
    }
    return {result};
}

/// With two CPUs no benchmark has a reason to be skipped.
std::vector<CaseResult> run_guest(const std::string& name, Platform platform, unsigned timeout_s, const Layout& layout) {
    const GuestBench bench{.platform = platform, .cpus = 2, .minimum_time_s = 1e-9,
                           .limit = std::chrono::seconds(timeout_s), .log = job_log(layout, name)};
    const auto wrong = judge_guest_bench(run_guest_bench(layout, bench, [](std::string_view) {}), list_guest_bench(layout, ""));
    if (wrong.empty()) return {{name, Outcome::Passed}};
    return {{name, Outcome::Failed, fmt::format("{}\n  log: {}", fmt::join(wrong, "\n  "), bench.log.string())}};
}

Job guest_job(const TestContext& context) {
    Job job;
    constexpr auto platform = Platform::QemuSvm;
    job.name = fmt::format("bench.guest@{}", to_string(platform));
    job.cases = {job.name};
    job.timeout_s = kGuestSeconds;
    job.skip_reason = why_skipped(platform, context);
    job.run = [name = job.name, timeout_s = job.timeout_s, layout = context.layout] { return run_guest(name, platform, timeout_s, layout); };
    return job;
}

}  // namespace

std::vector<Job> bench_jobs(const TestContext& context) {
    std::vector<Job> jobs;
    const std::vector<Platform> exact{Platform::QemuSvm, Platform::BochsVmx};
    for (const auto platform : selected_platforms(exact, context.options)) {
        if (platform == Platform::Kvm) continue;  // a clock, no counter
        Job job;
        job.name = fmt::format("bench.guard@{}", to_string(platform));
        job.cases = {job.name};
        job.timeout_s = static_cast<unsigned>(kTimeoutSeconds * slowness(platform));
        job.skip_reason = why_skipped(platform, context);
        job.run = [name = job.name, platform, timeout_s = job.timeout_s, layout = context.layout] {
            return run(name, platform, timeout_s, layout);
        };
        jobs.push_back(std::move(job));
    }
    if (!selected_platforms({Platform::QemuSvm}, context.options).empty()) jobs.push_back(guest_job(context));
    return jobs;
}

}  // namespace bulkhead::tool
