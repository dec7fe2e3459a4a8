// SPDX-License-Identifier: Apache-2.0
// System manifests as the host tool sees them: compiled bytes, and the files a boot image needs for them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::tool {

/// What the command line changes about the manifest's first virtual machine.
struct GuestOverrides {
    std::optional<unsigned> cpus = {};
    std::optional<std::uint64_t> memory_bytes = {};
    std::optional<std::string> command_line = {};
    std::filesystem::path kernel = {};
    std::filesystem::path initrd = {};
};

/// A manifest after compilation.
struct CompiledSystem {
    std::string manifest_bytes;
    std::vector<std::string> modules;  ///< names of all boot modules it needs, beside init and manifest
    std::string first_initrd;          ///< module name of the first virtual machine's initrd, if it has one
    std::string first_kernel;          ///< and of its kernel
    unsigned cpus_wanted = 1;          ///< the most CPUs anything in it uses
    std::uint64_t guest_memory_bytes = 0;
};

/// Compiles the file; throws Error with all diagnostics as "file:line:column: message" lines.
[[nodiscard]] CompiledSystem compile_system(const std::filesystem::path& file, const GuestOverrides& overrides);

}  // namespace bulkhead::tool
