// SPDX-License-Identifier: Apache-2.0
#include "tools/test/job.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "tools/machine/process.hpp"

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

namespace {

/// Whether this process has the file now, for as long as it runs.
bool take_file(const std::filesystem::path& file) {
    Descriptor descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!descriptor.valid() || ::flock(descriptor.value(), LOCK_EX | LOCK_NB) != 0) return false;
    static std::mutex mutex;
    static std::vector<Descriptor> taken;
    const std::lock_guard guard(mutex);
    taken.push_back(std::move(descriptor));
    return true;
}

}  // namespace

std::filesystem::path job_log(const Layout& layout, std::string_view job_name) {
    std::string name(job_name);
    std::replace(name.begin(), name.end(), '/', '-');
    const auto directory = layout.logs() / "test";
    std::filesystem::create_directories(directory);
    const auto usual = directory / (name + ".log");
    if (take_file(usual)) return usual;
    return directory / fmt::format("{}-{}.log", name, ::getpid());
}

}  // namespace bulkhead::tool
