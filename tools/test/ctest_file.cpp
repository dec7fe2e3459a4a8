// SPDX-License-Identifier: Apache-2.0
// Registers the jobs with CTest, so that `ctest --preset default` runs what `bulkhead test` runs. CTest calls
// this whenever it starts (tools/bulkhead/CMakeLists.txt).
#include <fmt/format.h>

#include "tools/test/job.hpp"

namespace bulkhead::tool {

void write_ctest_file(const TestContext& context, const std::filesystem::path& file) {
    std::vector<Job> jobs;
    for (const auto collect : {size_jobs, system_jobs, bench_jobs, scenario_jobs}) {
        for (auto& job : collect(context)) jobs.push_back(std::move(job));
    }
    const auto tool = context.layout.build / "tools" / "bulkhead" / "bulkhead";
    std::string text = "# Written by `bulkhead test --write-ctest`.\n";
    for (const auto& job : jobs) {
        const auto label = job.name.substr(0, job.name.find('.'));
        text += fmt::format("add_test([==[{}]==] [==[{}]==] test --exact [==[{}]==])\n", job.name, tool.string(), job.name);
        text += fmt::format("set_tests_properties([==[{}]==] PROPERTIES LABELS {} SKIP_RETURN_CODE 77 TIMEOUT {})\n",
                            job.name, label, job.timeout_s + 60);
    }
    write_file(file, text);
}

}  // namespace bulkhead::tool
