// SPDX-License-Identifier: Apache-2.0
// Runs the jobs, a few at a time, and counts. A test can pass only by reporting that it did: every case known
// beforehand must come back, and the numbers at the end must add up.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>

#include "tools/debug/symbolize.hpp"
#include "tools/machine/error.hpp"
#include "tools/test/job.hpp"

namespace bulkhead::tool {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kAllSkipped = 77;  ///< what CTest takes for "skipped" (SKIP_RETURN_CODE)

struct Totals {
    unsigned passed = 0;
    unsigned failed = 0;
    unsigned skipped = 0;
};

/// Prints what happened as it happens and keeps the totals; called from all workers.
class Report {
  public:
    explicit Report(const Filter& filter, std::size_t job_count) : filter_(filter), job_count_(job_count) {}

    void job_ended(const Job& job, const std::vector<CaseResult>& results, double duration_s) {
        const std::lock_guard guard(mutex_);
        Totals here;
        for (const auto& result : results) {
            if (counts(job, result)) count(here, result);
        }
        ++jobs_done_;
        std::printf("[%zu/%zu] %-6s %s: %u passed, %u failed, %u skipped (%.1f s)\n", jobs_done_, job_count_,
                    here.failed != 0 ? "FAILED" : here.passed != 0 ? "ok" : "skip", job.name.c_str(), here.passed,
                    here.failed, here.skipped, duration_s);
        for (const auto& result : results) {
            if (counts(job, result) && result.outcome == Outcome::Failed) {
                std::printf("  fail %s: %s\n", result.name.c_str(), result.detail.c_str());
                failures_.push_back(result.name);
            }
            for (const auto& figure : result.figures) figures_.push_back(job.name + ": " + figure);
            if (counts(job, result) && result.outcome == Outcome::Skipped) skips_[result.detail].push_back(result.name);
        }
        std::fflush(stdout);
    }

    Totals print_end() const {
        for (const auto& [reason, names] : skips_) {
            for (const auto& name : names) std::printf("skipped %s: %s\n", name.c_str(), reason.c_str());
        }
        for (const auto& text : figures_) std::printf("figure %s\n", text.c_str());
        for (const auto& name : failures_) std::printf("failed %s\n", name.c_str());
        return totals_;
    }

  private:
    /// A job runs whole; of its known cases only those the filter names count, and all that nobody expected.
    bool counts(const Job& job, const CaseResult& result) const {
        const bool known = std::find(job.cases.begin(), job.cases.end(), result.name) != job.cases.end();
        return !known || filter_.matches(result.name);
    }

    void count(Totals& here, const CaseResult& result) {
        for (auto* totals : {&here, &totals_}) {
            if (result.outcome == Outcome::Passed) ++totals->passed;
            else if (result.outcome == Outcome::Failed) ++totals->failed;
            else ++totals->skipped;
        }
    }

    const Filter& filter_;
    std::size_t job_count_;
    std::mutex mutex_;
    std::size_t jobs_done_ = 0;
    Totals totals_;
    std::map<std::string, std::vector<std::string>> skips_;
    std::vector<std::string> figures_;
    std::vector<std::string> failures_;
};

std::vector<CaseResult> all_cases(const Job& job, Outcome outcome, const std::string& detail) {
    std::vector<CaseResult> results;
    for (const auto& name : job.cases) results.push_back({name, outcome, detail});
    return results;
}

std::vector<CaseResult> run_job(const Job& job, const Layout& layout) {
    if (job.skip_reason) return all_cases(job, Outcome::Skipped, *job.skip_reason);
    try {
        auto results = job.run();
        for (auto& result : results) {
            if (result.outcome == Outcome::Failed) result.detail = symbolize_text(layout, result.detail);
        }
        return results;
    } catch (const std::exception& error) {
        return all_cases(job, Outcome::Failed, error.what());
    }
}

void run_all(const std::vector<Job>& jobs, const Layout& layout, unsigned parallel, Report& report) {
    std::atomic<std::size_t> next{0};
    const auto worker = [&] {
        for (std::size_t index = next++; index < jobs.size(); index = next++) {
            const auto begin = Clock::now();
            const auto results = run_job(jobs[index], layout);
            report.job_ended(jobs[index], results, std::chrono::duration<double>(Clock::now() - begin).count());
        }
    };
    std::vector<std::jthread> workers;
    for (unsigned count = 0; count < parallel; ++count) workers.emplace_back(worker);
}

std::vector<Job> collect_jobs(const TestContext& context) {
    // The unit tests come first: they are quick and find most mistakes.
    std::vector<Job> jobs;
    const bool wants_unit = context.options.exact_job.empty() || context.options.exact_job.starts_with("unit.");
    if (wants_unit) jobs = unit_jobs(context);
    for (const auto collect : {size_jobs, system_jobs, bench_jobs, scenario_jobs}) {
        for (auto& job : collect(context)) jobs.push_back(std::move(job));
    }
    std::erase_if(jobs, [&](const Job& job) {
        if (!context.options.exact_job.empty() && job.name != context.options.exact_job) return true;
        return std::none_of(job.cases.begin(), job.cases.end(),
                            [&](const auto& name) { return context.options.filter.matches(name); });
    });
    return jobs;
}

}  // namespace

int run_tests(const TestContext& context) {
    const auto jobs = collect_jobs(context);
    std::size_t expected = 0;
    for (const auto& job : jobs) {
        for (const auto& name : job.cases) expected += context.options.filter.matches(name) ? 1 : 0;
    }
    Report report(context.options.filter, jobs.size());
    run_all(jobs, context.layout, std::max(1U, context.options.parallel), report);

    auto totals = report.print_end();
    const std::size_t ran = totals.passed + totals.failed + totals.skipped;
    if (ran < expected) {
        std::printf("only %zu of %zu tests reported\n", ran, expected);
        totals.failed += static_cast<unsigned>(expected - ran);
    }
    if (expected == 0) std::printf("no test matches\n");
    std::printf("%u passed, %u failed, %u skipped\n", totals.passed, totals.failed, totals.skipped);
    if (totals.failed != 0 || expected == 0) return 1;
    const bool only_skips = totals.passed == 0 && !context.options.exact_job.empty();
    return only_skips ? kAllSkipped : 0;
}

}  // namespace bulkhead::tool
