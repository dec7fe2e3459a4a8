// SPDX-License-Identifier: Apache-2.0
// The guard of the benchmarks: on each machine that counts instructions exactly, a fast part of them against the counts
// committed in bench/baseline.
#include <fmt/format.h>

#include "tools/bulkhead/bench_guard.hpp"
#include "tools/test/job.hpp"

namespace bulkhead::tool {

namespace {

constexpr unsigned kTimeoutSeconds = 120;  ///< of silence; a busy host is slow

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
    return jobs;
}

}  // namespace bulkhead::tool
