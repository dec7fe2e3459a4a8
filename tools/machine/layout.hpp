// SPDX-License-Identifier: Apache-2.0
// Where things are: the source tree, the build tree, and temporary directories.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace bulkhead::tool {

/// The two trees the tool works in. Derived from where the tool itself lies, so a moved or renamed checkout works.
struct Layout {
    std::filesystem::path source;
    std::filesystem::path build;

    [[nodiscard]] std::filesystem::path kernel() const { return build / "kernel" / "bulkhead-kernel"; }
    [[nodiscard]] std::filesystem::path program(std::string_view name) const { return build / "programs" / name; }
    [[nodiscard]] std::filesystem::path guests() const { return build / "guests"; }
    [[nodiscard]] std::filesystem::path logs() const { return build / "logs"; }
};

/// Finds the trees; throws Error when the tool does not lie in a build tree.
[[nodiscard]] Layout find_layout();

/// A directory of its own for one run, removed with all that is in it at the end of its scope.
class TemporaryDirectory {
  public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// The whole file; throws Error that names it.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace bulkhead::tool
