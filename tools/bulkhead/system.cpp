// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/system.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/bulkhead/guest_files.hpp"
#include "tools/image/cpio.hpp"
#include "tools/machine/error.hpp"
#include "tools/nested/nested.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

/// A machine ready to start, and what belongs to it.
struct PreparedRun {
    MachineOptions machine;
    std::string exec_token;
};

/// The initramfs archive that tells the guest's /init what terminal its console is.
std::string terminal_archive(const TerminalDescription& terminal) {
    CpioArchive archive;
    archive.add_directory("bulkhead");
    archive.add_file("bulkhead/terminal", fmt::format("{} {} {}\n", terminal.rows, terminal.columns, terminal.type));
    return std::move(archive).finish();
}

/// The initramfs archive that makes the guest's /init run the command of the request.
std::string exec_archive(const SystemRequest& request, const std::string& token) {
    CpioArchive archive;
    archive.add_directory("bulkhead");
    archive.add_file("bulkhead/exec", request.exec_command.value_or(""));
    archive.add_file("bulkhead/token", token);
    for (const auto& [name, file] : request.exec_programs) archive.add_file("bulkhead/" + name, read_file(file), 0755);
    return std::move(archive).finish();
}

/// Gives the first guest an initrd of its own that ends in `archive`.
CompiledSystem compile_with_archive(const Layout& layout, const SystemRequest& request, const fs::path& work,
                                    const CompiledSystem& system, const std::string& archive) {
    const auto initrd = guest_file(layout, system.first_initrd, fs::absolute(request.manifest).parent_path());
    write_file(work / "initrd", join_archives(read_file(initrd), archive));
    auto overrides = request.overrides;
    overrides.initrd = work / "initrd";
    return compile_system(request.manifest, overrides);
}

/// The system with what this run adds to its first guest: the command, or the user's terminal.
CompiledSystem compile_for_run(const Layout& layout, const SystemRequest& request, const fs::path& work,
                               const std::string& token) {
    const auto system = compile_system(request.manifest, request.overrides);
    const bool has_initrd = !system.first_initrd.empty();
    if (request.exec_command) {
        if (!has_initrd) throw Error("--exec needs a manifest whose first virtual machine has an initrd");
        return compile_with_archive(layout, request, work, system, exec_archive(request, token));
    }
    if (request.terminal && has_initrd) {
        return compile_with_archive(layout, request, work, system, terminal_archive(*request.terminal));
    }
    return system;
}

std::vector<BootModule> boot_modules(const Layout& layout, const SystemRequest& request, const CompiledSystem& system,
                                     const fs::path& work) {
    write_file(work / "manifest", system.manifest_bytes);
    std::vector<BootModule> modules{{"init", layout.program("init")}, {"manifest", work / "manifest"}};
    const fs::path directory = fs::absolute(request.manifest).parent_path();
    for (const auto& module : system.modules) {
        modules.push_back({module.name, module.is_program ? layout.program(module.file) : guest_file(layout, module.file, directory)});
    }
    return modules;
}

/// Does to the modules what a test asks for; each name must be one of them, or the test would show nothing.
void damage(std::vector<BootModule>& modules, const SystemRequest& request, const fs::path& work) {
    const auto find = [&modules](const std::string& name) {
        const auto found = std::find_if(modules.begin(), modules.end(), [&](const auto& module) { return module.name == name; });
        if (found == modules.end()) throw Error(fmt::format("there is no boot module '{}' to break or leave out", name));
        return found;
    };
    const fs::path nonsense = work / "nonsense";
    if (!request.broken_modules.empty()) write_file(nonsense, std::string(4096, '?'));
    for (const auto& name : request.broken_modules) find(name)->file = nonsense;
    for (const auto& name : request.missing_modules) modules.erase(find(name));
}

PreparedRun prepare(const Layout& layout, SystemRequest request, const fs::path& work) {
    if (request.manifest.empty()) request.manifest = default_manifest(layout);
    if (!fs::is_regular_file(request.manifest)) throw Error(fmt::format("there is no manifest {}", request.manifest.string()));
    PreparedRun run;
    run.exec_token = random_token();
    const auto system = compile_for_run(layout, request, work, run.exec_token);
    BootImage image;
    image.kernel = layout.kernel();
    image.command_line = "console=framed " + request.kernel_arguments;
    image.modules = boot_modules(layout, request, system, work);
    damage(image.modules, request, work);
    run.machine.image = work / "boot.iso";
    build_iso(image, run.machine.image, work);
    run.machine.platform = request.platform;
    run.machine.work_directory = work;
    run.machine.cpus = system.machine_cpus;
    run.machine.memory_bytes = request.real_memory_bytes != 0 ? request.real_memory_bytes : system.machine_memory_bytes;
    run.machine.cpu_model = request.cpu_model;
    run.machine.time = request.time.value_or(MachineTime::Skipped);
    run.machine.uefi = request.uefi;
    run.machine.exit_device = request.exit_device;
    run.machine.wait_for_gdb = request.gdb_port != 0;
    run.machine.gdb_port = request.gdb_port;
    return run;
}

}  // namespace

std::string initrd_with_command(std::string initrd, const SystemRequest& request, const std::string& token) {
    return join_archives(std::move(initrd), exec_archive(request, token));
}

fs::path default_manifest(const Layout& layout) { return layout.source / "tools" / "systems" / "default.toml"; }

SessionResult run_system(const Layout& layout, const SystemRequest& request, const fs::path& log_file,
                         std::chrono::seconds limit, const std::function<void(std::string_view)>& output) {
    const TemporaryDirectory work;
    const auto run = prepare(layout, request, work.path());
    RunLog log(log_file);
    auto machine = start_machine(layout, run.machine);
    if (request.exec_command) return exec_session(machine, log, run.exec_token, limit, output);
    return plain_session(machine, log, limit, output);
}

void build_program_image(const Layout& layout, const std::string& program, const std::string& kernel_arguments,
                         const fs::path& image, const fs::path& work_directory) {
    BootImage content{layout.kernel(), "console=com1 " + kernel_arguments, {}};
    if (program != "none") content.modules.push_back({"init", layout.program(program)});
    build_iso(content, image, work_directory);
}

SessionResult run_program(const Layout& layout, const std::string& program, const SystemRequest& request,
                          const fs::path& log_file, std::chrono::seconds limit,
                          const std::function<void(std::string_view)>& output) {
    const TemporaryDirectory work;
    MachineOptions options;
    options.platform = request.platform;
    options.cpus = request.overrides.machine_cpus.value_or(request.overrides.cpus.value_or(1));
    options.memory_bytes = request.overrides.machine_memory_bytes.value_or(mebibytes(512));
    options.image = work.path() / "boot.iso";
    options.work_directory = work.path();
    options.uefi = request.uefi;
    options.wait_for_gdb = request.gdb_port != 0;
    options.gdb_port = request.gdb_port;
    options.time = request.time.value_or(MachineTime::Skipped);
    build_program_image(layout, program, request.kernel_arguments, options.image, work.path());
    RunLog log(log_file);
    auto machine = start_machine(layout, options);
    return plain_session(machine, log, limit, output);
}

SessionResult run_system_interactively(const Layout& layout, const SystemRequest& request, const fs::path& log_file) {
    const TemporaryDirectory work;
    SystemRequest here = request;
    here.terminal = describe_terminal();
    if (!here.time) here.time = MachineTime::Paced;
    const auto run = prepare(layout, here, work.path());
    RunLog log(log_file);
    auto machine = start_machine(layout, run.machine);
    return interactive_session(machine, log);
}

}  // namespace bulkhead::tool
