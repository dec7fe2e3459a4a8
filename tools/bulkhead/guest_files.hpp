// SPDX-License-Identifier: Apache-2.0
// The files behind boot module names.
#pragma once

#include <filesystem>
#include <string>

#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

/// Finds the file of a boot module: a program of the build, a guest's file (linux-cloud/vmlinuz,
/// linux-cloud/initrd, linux-generic/...; made when missing), or a file beside the manifest. Throws Error that names
/// the module.
[[nodiscard]] std::filesystem::path module_file(const Layout& layout, const std::string& name,
                                                const std::filesystem::path& manifest_directory);

/// Fetches and builds one Linux guest ("cloud" or "generic"), if needed.
void build_linux_guest(const Layout& layout, const std::string& variant);

}  // namespace bulkhead::tool
