// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/layout.hpp"

#include <stdlib.h>

#include <fstream>
#include <sstream>
#include <system_error>

#include "tools/machine/error.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

Layout find_layout() {
    // <build>/tools/bulkhead/bulkhead; the unit tests' binaries lie at <build>/unit/NAME.
    fs::path directory = fs::read_symlink("/proc/self/exe").parent_path();
    while (!fs::exists(directory / "CMakeCache.txt")) {
        if (directory == directory.parent_path()) throw Error("the tool does not lie in a build tree; start it by ./bulkhead");
        directory = directory.parent_path();
    }
    // A preset builds in <source>/build/<preset>.
    fs::path source = directory.parent_path().parent_path();
    if (!fs::exists(source / "CMakePresets.json")) throw Error("no source tree above " + directory.string());
    return {source, directory};
}

TemporaryDirectory::TemporaryDirectory() {
    std::string name = (fs::temp_directory_path() / "bulkhead-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw_errno("cannot make a temporary directory " + name);
    path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw_errno("cannot read " + path.string());
    std::ostringstream content;
    content << file.rdbuf();
    return std::move(content).str();
}

void write_file(const fs::path& path, std::string_view content) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    if (!file.flush()) throw_errno("cannot write " + path.string());
}

}  // namespace bulkhead::tool
