// SPDX-License-Identifier: Apache-2.0
// System manifests as the host tool sees them: compiled bytes, and the files a boot image needs for them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::tool {

/// What the command line says in the manifest's stead.
struct ManifestOverrides {
    std::optional<unsigned> machine_cpus = {};
    std::optional<std::uint64_t> machine_memory_bytes = {};
    // Of the first virtual machine:
    std::optional<unsigned> cpus = {};
    std::optional<std::uint64_t> memory_bytes = {};
    std::optional<std::string> command_line = {};
    std::filesystem::path kernel = {};
    std::filesystem::path initrd = {};
};

/// A manifest after compilation.
struct CompiledSystem {
    /// A boot module beside `init` and `manifest`.
    struct Module {
        std::string name;
        std::string file;  ///< as the manifest or the override has it; for a program, its name
        bool is_program;
    };

    std::string manifest_bytes;
    std::vector<Module> modules;
    std::string first_initrd;  ///< `file` of the first virtual machine's initrd; empty if it has none
    unsigned machine_cpus = 1;
    std::uint64_t machine_memory_bytes = 0;
};

/// Compiles the file; throws Error with every diagnostic on a line of its own.
[[nodiscard]] CompiledSystem compile_system(const std::filesystem::path& file, const ManifestOverrides& overrides);

}  // namespace bulkhead::tool
