// SPDX-License-Identifier: Apache-2.0
#include "tools/test/job.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bulkhead::tool {

std::optional<std::string> why_skipped(Platform platform, const TestContext& context) {
    const bool nested = platform == Platform::NestedSvm || platform == Platform::NestedVmx;
    if (nested && !context.options.nested) return "runs with --nested only";
    return why_unusable(platform, context.facts);
}

std::vector<Platform> selected_platforms(const std::vector<Platform>& listed, const TestOptions& options) {
    if (options.platforms.empty()) return listed;
    std::vector<Platform> result;
    for (const auto platform : options.platforms) {
        const bool in_list = std::find(listed.begin(), listed.end(), platform) != listed.end();
        if (in_list || platform == Platform::Kvm) result.push_back(platform);
    }
    return result;
}

std::filesystem::path job_log(const Layout& layout, std::string_view job_name) {
    std::string name(job_name);
    std::replace(name.begin(), name.end(), '/', '-');
    return layout.logs() / "test" / (name + ".log");
}

}  // namespace bulkhead::tool
