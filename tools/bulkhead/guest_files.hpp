// SPDX-License-Identifier: Apache-2.0
// The files behind a system's boot modules.
#pragma once

#include <filesystem>
#include <string>

#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

/// Finds a guest's file as a manifest names it: an absolute path, a path beside the manifest, or one of the guests
/// of this build (linux-cloud/vmlinuz, linux-cloud/initrd, linux-generic/...), which are made when missing. Throws
/// Error that names it.
[[nodiscard]] std::filesystem::path guest_file(const Layout& layout, const std::string& name,
                                               const std::filesystem::path& manifest_directory);

/// Fetches and builds one Linux guest ("cloud" or "generic"), if needed.
void build_linux_guest(const Layout& layout, const std::string& variant);

}  // namespace bulkhead::tool
