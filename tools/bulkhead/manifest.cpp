// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/manifest.hpp"

#include "protocol/manifest.hpp"
#include "tools/machine/error.hpp"
#include "tools/machine/layout.hpp"
#include "tools/manifest/compile.hpp"

namespace bulkhead::tool {

namespace {

std::optional<std::string> unless_empty(const std::filesystem::path& path) {
    if (path.empty()) return std::nullopt;
    return std::filesystem::absolute(path).string();
}

/// The file of the first virtual machine's initrd: the compiled manifest names the module, the module the file.
std::string first_initrd(const manifest::CompileResult& compiled) {
    const auto opened = protocol::ManifestReader::create(compiled.bytes);
    if (!opened || opened.value().vms().empty()) return {};
    const auto& reader = opened.value();
    const auto name = reader.text(reader.vms().front().initrd);
    for (const auto& module : compiled.modules) {
        if (module.name == name) return module.file;
    }
    return {};
}

}  // namespace

CompiledSystem compile_system(const std::filesystem::path& file, const ManifestOverrides& overrides) {
    manifest::CompileOptions options;
    options.machine_cpus = overrides.machine_cpus;
    options.machine_memory_bytes = overrides.machine_memory_bytes;
    options.vcpus = overrides.cpus;
    options.vm_memory_bytes = overrides.memory_bytes;
    options.command_line = overrides.command_line;
    options.kernel = unless_empty(overrides.kernel);
    options.initrd = unless_empty(overrides.initrd);
    const auto compiled = manifest::compile(read_file(file), file.string(), options);
    if (!compiled.ok()) {
        std::string text = "the manifest has mistakes; nothing was built";
        for (const auto& diagnostic : compiled.diagnostics) text += "\n" + diagnostic.text();
        throw Error(text);
    }
    CompiledSystem system;
    system.manifest_bytes.assign(reinterpret_cast<const char*>(compiled.bytes.data()), compiled.bytes.size());
    for (const auto& module : compiled.modules) {
        system.modules.push_back({module.name, module.file, module.kind == manifest::ModuleKind::Program});
    }
    system.first_initrd = first_initrd(compiled);
    system.machine_cpus = compiled.machine_cpus;
    system.machine_memory_bytes = compiled.machine_memory_bytes;
    return system;
}

}  // namespace bulkhead::tool
