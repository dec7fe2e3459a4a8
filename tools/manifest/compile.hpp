// SPDX-License-Identifier: Apache-2.0
// The compiler of system manifests: TOML in, the boot module `manifest` out (include/protocol/manifest.hpp), or a list
// of what is wrong with it, each with its place and with what would be right. docs/reference: README.md beside this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::manifest {

/// A mistake in a manifest. Lines and columns count from 1; 0: the file as a whole.
struct Diagnostic {
    std::string file;
    unsigned line = 0;
    unsigned column = 0;
    std::string message;
    std::string allowed;  ///< what may stand there, maybe empty

    /// `FILE:LINE:COLUMN: MESSAGE; allowed: ALLOWED`
    [[nodiscard]] std::string text() const;
};

enum class ModuleKind { Program, Kernel, Initrd };

/// A file the boot image needs. `name` is the first word of the module's command line in the boot configuration.
struct BootModule {
    std::string name;
    ModuleKind kind;
    std::string file;  ///< as written in the manifest; for a program, its name

    bool operator==(const BootModule&) const = default;
};

/// What the command line says in the manifest's stead.
struct CompileOptions {
    std::optional<std::uint64_t> machine_memory_bytes;  ///< instead of [machine] memory
    std::optional<unsigned> machine_cpus;               ///< instead of [machine] cpus
    // Of the first virtual machine:
    std::optional<unsigned> vcpus;  ///< placed on CPUs 0, 1, ... in turn
    std::optional<std::uint64_t> vm_memory_bytes;
    std::optional<std::string> kernel;
    std::optional<std::string> initrd;
    std::optional<std::string> command_line;
    std::string command_line_addition;  ///< appended, with a space
};

struct CompileResult {
    std::vector<std::byte> bytes;     ///< empty if there are diagnostics
    std::vector<BootModule> modules;  ///< without `init` and `manifest`, which every system needs
    std::vector<Diagnostic> diagnostics;
    std::string name;                           ///< of the system
    std::vector<std::string> virtual_machines;  ///< names; console channel 1 is the first one's
    unsigned machine_cpus = 1;                  ///< CPUs of the machine, as stated, or as many as the manifest uses
    std::uint64_t machine_memory_bytes = 0;     ///< as stated, or what the manifest needs with some reserve

    [[nodiscard]] bool ok() const { return diagnostics.empty(); }
};

[[nodiscard]] CompileResult compile(std::string_view toml_text, std::string_view file_name,
                                    const CompileOptions& options = {});

}  // namespace bulkhead::manifest
