// SPDX-License-Identifier: Apache-2.0
// The size of the kernel, a figure of the project: counted, printed, and held to its limit.
#include "tools/machine/process.hpp"
#include "tools/test/job.hpp"

namespace bulkhead::tool {

std::vector<Job> size_jobs(const TestContext& context) {
    Job job;
    job.name = "kernel.lines";
    job.cases = {job.name};
    job.timeout_s = 60;
    job.run = [name = job.name, timeout_s = job.timeout_s, layout = context.layout] {
        const auto counted = run_command({(layout.source / "tools" / "count-lines").string(), layout.build.string()}, timeout_s);
        CaseResult result{name};
        if (counted.exit_status == 0) {
            result.figures = {counted.text.substr(0, counted.text.find('\n'))};
        } else {
            result.outcome = Outcome::Failed;
            result.detail = counted.text + "  more than tools/count-lines allows; --files lists them";
        }
        return std::vector{result};
    };
    return {job};
}

}  // namespace bulkhead::tool
