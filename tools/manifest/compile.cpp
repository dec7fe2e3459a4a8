// SPDX-License-Identifier: Apache-2.0
#include "tools/manifest/compile.hpp"

#include "tools/manifest/model.hpp"

namespace bulkhead::manifest {

std::string Diagnostic::text() const {
    std::string result = file;
    if (line != 0) result += ":" + std::to_string(line) + ":" + std::to_string(column);
    result += ": " + message;
    if (!allowed.empty()) result += "; allowed: " + allowed;
    return result;
}

CompileResult compile(std::string_view toml_text, std::string_view file_name, const CompileOptions& options) {
    CompileResult result;
    Diagnostics diagnostics{file_name, result.diagnostics};
    Model model = parse(toml_text, file_name, diagnostics);
    if (!result.ok()) return result;
    complete(model, options);
    check(model, diagnostics);
    if (!result.ok()) return result;

    result.name = model.name;
    result.machine_cpus = model.machine_cpus != 0 ? model.machine_cpus : cpus_used(model);
    // Rounded up to 64 MiB: emulators like even sizes, and boot modules need room too.
    result.machine_memory_bytes = model.machine_memory_bytes != 0
                                      ? model.machine_memory_bytes
                                      : align_up(memory_needed(model) + (64 << 20), 64 << 20);
    encode(model, result);
    return result;
}

}  // namespace bulkhead::manifest
