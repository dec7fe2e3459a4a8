// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/guest_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "tools/machine/error.hpp"
#include "tools/machine/process.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kLinuxPrefix = "linux-";

}  // namespace

void build_linux_guest(const Layout& layout, const std::string& variant) {
    const fs::path directory = layout.guests() / (std::string(kLinuxPrefix) + variant);
    const fs::path recipe = layout.source / "guests" / "linux" / "build";
    // The recipe says on standard error what takes long.
    Child child({recipe.string(), variant, directory.string()}, {-1, STDERR_FILENO, STDERR_FILENO});
    if (exit_status(child.wait()) != 0) throw Error(fmt::format("cannot make the guest {}{}", kLinuxPrefix, variant));
}

fs::path guest_file(const Layout& layout, const std::string& name, const fs::path& manifest_directory) {
    const fs::path beside = manifest_directory / name;  // `name` alone if that is absolute
    if (fs::is_regular_file(beside)) return beside;
    const auto slash = name.find('/');
    if (name.starts_with(kLinuxPrefix) && slash != std::string::npos) {
        build_linux_guest(layout, name.substr(kLinuxPrefix.size(), slash - kLinuxPrefix.size()));
        const fs::path file = layout.guests() / name;
        if (fs::is_regular_file(file)) return file;
    }
    throw Error(fmt::format("guest file '{}': neither beside the manifest nor among the guests of this build "
                            "(linux-cloud/vmlinuz, linux-cloud/initrd, linux-generic/vmlinuz, linux-generic/initrd)",
                            name));
}

}  // namespace bulkhead::tool
