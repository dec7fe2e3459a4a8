// SPDX-License-Identifier: Apache-2.0
// Jobs for the GoogleTest binaries. CTest knows which exist (gtest_discover_tests registered every test), so a
// binary left over from an older build is not run and a new one is not forgotten.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tools/machine/error.hpp"
#include "tools/machine/process.hpp"
#include "tools/test/job.hpp"

namespace bulkhead::tool {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kPrefix = "unit.";
constexpr std::string_view kNotBuilt = "_NOT_BUILT";
constexpr unsigned kTimeoutSeconds = 600;

/// A test as CTest registered it. GoogleTest's own name differs for typed and parameterised tests: "Suite/0.Test"
/// is registered as "Suite.Test<type>".
struct UnitTest {
    std::string google_name;
    std::string name;
};

/// The value of --gtest_filter in a registered command, or nothing.
std::string filter_argument(const std::vector<std::string>& command) {
    constexpr std::string_view option = "--gtest_filter=";
    for (const auto& word : command) {
        if (word.starts_with(option)) return word.substr(option.size());
    }
    return {};
}

/// Every registered unit test, by binary.
std::map<std::string, std::vector<UnitTest>> registered_tests(const Layout& layout) {
    const auto listing = run_command({"ctest", "--test-dir", layout.build.string(), "--show-only=json-v1"}, 120);
    const auto begin = listing.text.find('{');
    if (listing.exit_status != 0 || begin == std::string::npos) throw Error("ctest cannot list the unit tests:\n" + listing.text);
    const Json document = Json::parse(listing.text.substr(begin), nullptr, false);
    if (document.is_discarded()) throw Error("ctest listed the unit tests in no form this tool knows");
    std::map<std::string, std::vector<UnitTest>> binaries;
    for (const auto& test : document.value("tests", Json::array())) {
        const std::string name = test.value("name", "");
        const auto command = test.value("command", std::vector<std::string>{});
        // What gtest_discover_tests leaves in place of a binary that was not built: a failure, not fewer tests.
        if (name.ends_with(kNotBuilt)) binaries[""].push_back({"", name});
        if (!name.starts_with(kPrefix)) continue;
        if (command.empty()) throw Error(fmt::format("the unit test {} is registered, but its binary is not built", name));
        binaries[command.front()].push_back({filter_argument(command), name});
    }
    return binaries;
}

/// One test of GoogleTest's JSON report, or nothing if it was not run.
std::optional<CaseResult> read_result(const std::string& suite, const Json& test) {
    if (test.value("status", "") != "RUN") return std::nullopt;
    CaseResult result{fmt::format("{}.{}", suite, test.value("name", ""))};
    if (test.value("result", "") == "SKIPPED") {
        result.outcome = Outcome::Skipped;
        result.detail = "skipped by the test itself";
    }
    if (test.contains("failures")) {
        result.outcome = Outcome::Failed;
        for (const auto& failure : test["failures"]) result.detail += failure.value("failure", "") + "\n";
    }
    return result;
}

/// The results under the names CTest has for the tests.
std::vector<CaseResult> renamed(std::vector<CaseResult> results, const std::vector<UnitTest>& tests) {
    for (auto& result : results) {
        for (const auto& test : tests) {
            if (test.google_name == result.name) result.name = test.name;
        }
    }
    return results;
}

std::vector<CaseResult> run_binary(const std::string& binary, const std::vector<UnitTest>& tests,
                                   const std::vector<std::string>& cases, const std::filesystem::path& log) {
    const TemporaryDirectory work;
    const auto report = work.path() / "report.json";
    std::string filter;
    for (const auto& test : tests) filter += (filter.empty() ? "" : ":") + test.google_name;
    const auto output = run_command({binary, "--gtest_filter=" + filter, "--gtest_output=json:" + report.string()},
                                    kTimeoutSeconds);
    std::filesystem::create_directories(log.parent_path());
    write_file(log, output.text);

    std::vector<CaseResult> reported;
    if (std::filesystem::exists(report)) {
        const Json document = Json::parse(read_file(report), nullptr, false);
        if (!document.is_discarded()) {
            for (const auto& suite : document.value("testsuites", Json::array())) {
                for (const auto& test : suite.value("testsuite", Json::array())) {
                    if (const auto result = read_result(suite.value("name", ""), test)) reported.push_back(*result);
                }
            }
        }
    }
    const auto tail = output.text.substr(output.text.size() - std::min<std::size_t>(output.text.size(), 3000));
    auto results = reconcile(cases, renamed(std::move(reported), tests),
                             fmt::format("the binary ended with status {} before it reported\n{}", output.exit_status, tail));
    // A sanitizer may complain after the last test passed.
    bool any_failed = false;
    for (const auto& result : results) any_failed = any_failed || result.outcome == Outcome::Failed;
    if (output.exit_status != 0 && !any_failed && !results.empty()) {
        results.back() = {results.back().name, Outcome::Failed,
                          fmt::format("the binary ended with status {}\n{}", output.exit_status, tail)};
    }
    return results;
}

Job missing_job(const std::string& name) {
    Job job;
    job.name = name;
    job.cases = {name};
    job.run = [name] { return std::vector<CaseResult>{{name, Outcome::Failed, "the unit test binary is not built"}}; };
    return job;
}

}  // namespace

std::vector<Job> unit_jobs(const TestContext& context) {
    std::vector<Job> jobs;
    if (!context.options.platforms.empty()) return jobs;  // asked for machines
    for (const auto& [binary, all_tests] : registered_tests(context.layout)) {
        if (binary.empty()) {
            for (const auto& missing : all_tests) {
                if (context.options.filter.matches(missing.name)) jobs.push_back(missing_job(missing.name));
            }
            continue;
        }
        Job job;
        job.name = std::string(kPrefix) + std::filesystem::path(binary).filename().string().substr(kPrefix.size());
        std::vector<UnitTest> tests;
        for (const auto& test : all_tests) {
            if (!context.options.filter.matches(test.name)) continue;
            tests.push_back(test);
            job.cases.push_back(test.name);
        }
        job.timeout_s = kTimeoutSeconds;
        job.run = [binary = binary, tests, cases = job.cases, layout = context.layout, name = job.name] {
            return run_binary(binary, tests, cases, job_log(layout, name));
        };
        if (!job.cases.empty()) jobs.push_back(std::move(job));
    }
    return jobs;
}

}  // namespace bulkhead::tool
