// SPDX-License-Identifier: Apache-2.0
// bulkhead test
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "tools/bulkhead/commands.hpp"
#include "tools/test/job.hpp"

namespace bulkhead::tool {

namespace {

struct TestCommand {
    std::string filter;
    std::string exact;
    std::string ctest_file;
    std::vector<Platform> platforms;
    bool nested = false;
    unsigned parallel = 2;
};

int run(const TestCommand& command) {
    TestContext context{find_layout(), probe_host(), {}};
    context.options.filter = Filter(command.filter);
    context.options.exact_job = command.exact;
    context.options.platforms = command.platforms;
    context.options.parallel = command.parallel;
    context.options.nested = command.nested;
    for (const auto platform : command.platforms) {
        const bool nested = platform == Platform::NestedSvm || platform == Platform::NestedVmx;
        context.options.nested = context.options.nested || nested;
    }
    if (!command.ctest_file.empty()) {
        write_ctest_file(context, command.ctest_file);
        return 0;
    }
    return run_tests(context);
}

}  // namespace

void add_test_command(CLI::App& app, Action& action) {
    auto options = std::make_shared<TestCommand>();
    auto* command = app.add_subcommand("test", "run every test this machine can run");
    command->footer(R"(Examples:
  bulkhead test                          all of it, about a quarter of an hour on two cores
  bulkhead test unit                     what needs no machine, under a minute
  bulkhead test system.test-ipc          one program on each platform it is listed for
  bulkhead test 'debian-shell@qemu'      part of a name, or a regular expression
  bulkhead test --on bochs-vmx           only there
  bulkhead test --nested debian-nested   Bulkhead as a guest of Linux KVM

Names: unit.SUITE.TEST, system.PROGRAM@PLATFORM/CPUS:TEST, scenario.NAME@PLATFORM/CPUS. Logs: build/default/logs/test.)");
    command->add_option("FILTER", options->filter, "only tests whose name contains this text or matches this regular expression")
        ->option_text("TEXT");
    command->add_option("--on", options->platforms, "only on these platforms")
        ->transform(platform_name())
        ->option_text("PLATFORM ...");
    command->add_flag("--nested", options->nested, "also the rigs where Linux KVM hosts Bulkhead (minutes each)");
    command->add_option("--jobs", options->parallel, "machines at the same time (default 2)")->check(CLI::Range(1, 64))->option_text("N");
    command->add_option("--exact", options->exact, "only the job of exactly this name (CTest uses this)")->option_text("NAME");
    command->add_option("--write-ctest", options->ctest_file, "write CTest's list of jobs to this file; run nothing")
        ->option_text("FILE");
    command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace bulkhead::tool
