// SPDX-License-Identifier: Apache-2.0
// The test runner's own tests: a test must not be able to pass by not running.
#include <gtest/gtest.h>

#include "tools/debug/symbolize.hpp"
#include "tools/machine/error.hpp"
#include "tools/test/filter.hpp"
#include "tools/test/plan.hpp"
#include "tools/test/scenario.hpp"
#include "tools/test/suites.hpp"

using namespace bulkhead::tool;

namespace {

PlanParser parse(const std::vector<std::string>& lines) {
    PlanParser plan;
    for (const auto& line : lines) plan.line(line);
    return plan;
}

}  // namespace

TEST(PlanParser, FiguresBelongToTheCaseThatFollows) {
    PlanParser parser;
    for (const auto* line : {"plan 2", "figure call: 100 instructions", "figure reply: 50 instructions", "pass a", "pass b", "done"})
        parser.line(line);
    ASSERT_EQ(parser.results().size(), 2u);
    EXPECT_EQ(parser.results()[0].figures,
              (std::vector<std::string>{"call: 100 instructions", "reply: 50 instructions"}));
    EXPECT_TRUE(parser.results()[1].figures.empty());
}

TEST(PlanParser, ReadsTheProtocol) {
    const auto plan = parse({"bulkhead 0.1", "plan 3\r", "pass call", "[init] fail wait: timed out: 5 ms", "skip vmx: no VT-x", "done"});
    EXPECT_EQ(plan.planned(), 3U);
    EXPECT_TRUE(plan.done());
    ASSERT_EQ(plan.results().size(), 3U);
    EXPECT_EQ(plan.results()[0].name, "call");
    EXPECT_EQ(plan.results()[1].outcome, Outcome::Failed);
    EXPECT_EQ(plan.results()[1].detail, "timed out: 5 ms");
    EXPECT_EQ(plan.results()[2].outcome, Outcome::Skipped);
    EXPECT_EQ(plan.results()[2].detail, "no VT-x");
}

TEST(PlanParser, IgnoresOtherTextAndReportsOutsideThePlan) {
    const auto plan = parse({"pass early", "plan x", "plan 1", "pass two words", "passenger one", "done", "pass late"});
    EXPECT_TRUE(plan.results().empty());
}

TEST(Reconcile, FailsWhatDidNotReport) {
    const auto results = reconcile({"a", "b", "c"}, {{"b", Outcome::Passed}}, "did not report");
    ASSERT_EQ(results.size(), 3U);
    EXPECT_EQ(results[0].name, "a");
    EXPECT_EQ(results[0].outcome, Outcome::Failed);
    EXPECT_EQ(results[0].detail, "did not report");
    EXPECT_EQ(results[1].outcome, Outcome::Passed);
    EXPECT_EQ(results[2].outcome, Outcome::Failed);
    EXPECT_EQ(results[2].detail, "did not report either");
}

TEST(Reconcile, FailsStrangersAndRepetitions) {
    const auto results = reconcile({"a"}, {{"a"}, {"a"}, {"x"}}, "");
    ASSERT_EQ(results.size(), 3U);
    EXPECT_EQ(results[0].outcome, Outcome::Passed);
    EXPECT_EQ(results[1].outcome, Outcome::Failed);
    EXPECT_EQ(results[2].outcome, Outcome::Failed);
}

TEST(Filter, MatchesTextOrPattern) {
    EXPECT_TRUE(Filter("").matches("anything"));
    EXPECT_TRUE(Filter("portal").matches("system.test-portal@kvm/1:call"));
    EXPECT_TRUE(Filter("^unit.*Size").matches("unit.ParseSize.Works"));
    EXPECT_FALSE(Filter("^Size").matches("unit.ParseSize.Works"));
    EXPECT_TRUE(Filter("a(b").matches("xa(b"));
    EXPECT_FALSE(Filter("a(b").matches("ab"));
}

TEST(Suites, AreRead) {
    const auto suites = parse_suites(
        "[[suite]]\nprogram = \"test-ipc\"\ncpus = [1, 4]\nplatforms = [\"bochs-vmx\"]\ntimeout_s = 9\nmemory = \"64M\"\n", "f");
    ASSERT_EQ(suites.size(), 1U);
    EXPECT_EQ(suites[0].program, "test-ipc");
    EXPECT_EQ(suites[0].cpus, (std::vector<unsigned>{1, 4}));
    EXPECT_EQ(suites[0].platforms, std::vector<Platform>{Platform::BochsVmx});
    EXPECT_EQ(suites[0].timeout_s, 9U);
    EXPECT_EQ(suites[0].memory_bytes, mebibytes(64));
}

TEST(Suites, ErrorsNameTheLine) {
    const auto message = [](std::string_view text) -> std::string {
        try {
            (void)parse_suites(text, "suites.toml");
        } catch (const Error& error) {
            return error.what();
        }
        return "accepted";
    };
    EXPECT_EQ(message("[[suite]]\nprogram = 'a'\ncpu = [1]\n"), "suites.toml:3: unknown key 'cpu'");
    EXPECT_EQ(message("[[suite]]\nprogram = 'a'\ncpus = [0]\n"), "suites.toml:3: 'cpus' has an element that is not allowed");
    EXPECT_EQ(message("[[suite]]\nprogram = 'a'\n\ntimeout_s = \"9\"\n"), "suites.toml:4: 'timeout_s' must be a whole number");
    EXPECT_EQ(message("[[suite]]\ncpus = [1]\n"), "suites.toml:1: a suite needs a 'program'");
    EXPECT_EQ(message("x = 1\n"), "suites.toml:1: only [[suite]] tables are allowed here");
    EXPECT_TRUE(message("[[suite\n").starts_with("suites.toml:1: ")) << message("[[suite\n");
}

TEST(Scenario, IsReadAndJudged) {
    const auto scenario = parse_scenario(
        "exec = 'uname'\nstatus = 2\nexpect = ['^Linux$']\nexpect_log = ['init']\nreject_log = ['panic']\n", "f", "boot");
    EXPECT_EQ(scenario.name, "boot");
    EXPECT_FALSE(judge(scenario, {2, "x\nLinux\n", "init up"}));
    EXPECT_TRUE(judge(scenario, {0, "Linux\n", "init up"}));
    EXPECT_TRUE(judge(scenario, {2, "Linux 6\n", "init up"}));
    EXPECT_TRUE(judge(scenario, {2, "Linux\n", "nothing"}));
    EXPECT_TRUE(judge(scenario, {2, "Linux\n", "init, panic"}));
    EXPECT_TRUE(judge(scenario, {2, "Linux\n", "init up", "the machine stopped"}));
    EXPECT_THROW((void)parse_scenario("expect = ['(']\n", "f", "boot"), Error);
}

TEST(Scenario, CanExpectAFailure) {
    const auto scenario = parse_scenario("expect_problem = ['never came']\n", "f", "boot");
    EXPECT_FALSE(judge(scenario, {125, "", "", "the guest never came up"}));
    EXPECT_TRUE(judge(scenario, {125, "", "", "something else"}));
    EXPECT_TRUE(judge(scenario, {0, "", "", ""}));
}

TEST(Scenario, ChecksTheClock) {
    const auto scenario = parse_scenario("clock_tolerance_s = 2\n", "f", "boot");
    EXPECT_FALSE(judge(scenario, {0, "", "", "", -2}));
    EXPECT_TRUE(judge(scenario, {0, "", "", "", 3}));
}

TEST(Symbolize, RecognisesBacktraceLines) {
    const auto kernel = parse_backtrace_line("#0 0xffffffff80012345");
    ASSERT_TRUE(kernel);
    EXPECT_EQ(kernel->component, "");
    EXPECT_EQ(kernel->address, 0xffffffff80012345U);
    const auto component = parse_backtrace_line("[init] #3 driver-uart 0x400123 (?)");
    ASSERT_TRUE(component);
    EXPECT_EQ(component->component, "driver-uart");
    EXPECT_EQ(component->address, 0x400123U);
    EXPECT_FALSE(parse_backtrace_line("# 0x12"));
    EXPECT_FALSE(parse_backtrace_line("pass #1"));
}
