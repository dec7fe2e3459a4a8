// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/system.hpp"

#include <fmt/format.h>

#include "tools/bulkhead/guest_files.hpp"
#include "tools/image/cpio.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

/// What the kernel, init, drivers and monitors need beside the guests.
constexpr std::uint64_t kSystemMemory = mebibytes(256);

/// A machine ready to start, and what belongs to it.
struct PreparedRun {
    MachineOptions machine;
    std::string exec_token;
};

/// The initramfs archive that makes the guest's /init run `command`.
std::string exec_archive(const std::string& command, const std::string& token) {
    CpioArchive archive;
    archive.add_directory("bulkhead");
    archive.add_file("bulkhead/exec", command);
    archive.add_file("bulkhead/token", token);
    return std::move(archive).finish();
}

/// The modules of the image. With a command to run, the first guest's initrd is replaced by a longer one.
std::vector<BootModule> boot_modules(const Layout& layout, const SystemRequest& request, const CompiledSystem& system,
                                     const fs::path& work, const std::string& token) {
    write_file(work / "manifest", system.manifest_bytes);
    std::vector<BootModule> modules{{"init", layout.program("init")}, {"manifest", work / "manifest"}};
    const fs::path directory = fs::absolute(request.manifest).parent_path();
    for (const auto& name : system.modules) {
        fs::path file;
        if (name == system.first_kernel && !request.guest.kernel.empty()) file = request.guest.kernel;
        else if (name == system.first_initrd && !request.guest.initrd.empty()) file = request.guest.initrd;
        else file = module_file(layout, name, directory);
        if (name == system.first_initrd && request.exec_command) {
            const auto archive = exec_archive(*request.exec_command, token);
            write_file(work / "initrd", join_archives(read_file(file), archive));
            file = work / "initrd";
        }
        modules.push_back({name, file});
    }
    return modules;
}

PreparedRun prepare(const Layout& layout, SystemRequest request, const fs::path& work) {
    if (request.manifest.empty()) request.manifest = default_manifest(layout);
    if (!fs::is_regular_file(request.manifest)) throw Error(fmt::format("there is no manifest {}", request.manifest.string()));
    const auto system = compile_system(request.manifest, request.guest);
    if (request.exec_command && system.first_initrd.empty()) {
        throw Error("--exec needs a virtual machine with an initrd in the manifest");
    }
    PreparedRun run;
    run.exec_token = random_token();
    BootImage image;
    image.kernel = layout.kernel();
    image.command_line = "console=framed " + request.kernel_arguments;
    image.modules = boot_modules(layout, request, system, work, run.exec_token);
    run.machine.image = work / "boot.iso";
    build_iso(image, run.machine.image, work);
    run.machine.platform = request.platform;
    run.machine.work_directory = work;
    run.machine.cpus = request.machine_cpus.value_or(system.cpus_wanted);
    run.machine.memory_bytes = request.machine_memory.value_or(kSystemMemory + system.guest_memory_bytes);
    run.machine.uefi = request.uefi;
    run.machine.wait_for_gdb = request.wait_for_gdb;
    return run;
}

}  // namespace

fs::path default_manifest(const Layout& layout) { return layout.source / "guests" / "linux" / "debian.toml"; }

SessionResult run_system(const Layout& layout, const SystemRequest& request, const fs::path& log_file,
                         std::chrono::seconds limit, const std::function<void(std::string_view)>& output) {
    const TemporaryDirectory work;
    const auto run = prepare(layout, request, work.path());
    RunLog log(log_file);
    auto machine = Machine::start(run.machine);
    if (request.exec_command) return exec_session(machine, log, run.exec_token, limit, output);
    return plain_session(machine, log, limit, output);
}

SessionResult run_program(const Layout& layout, const std::string& program, const SystemRequest& request,
                          const fs::path& log_file, std::chrono::seconds limit,
                          const std::function<void(std::string_view)>& output) {
    const TemporaryDirectory work;
    BootImage image{layout.kernel(), "console=com1 " + request.kernel_arguments, {}};
    if (program != "none") image.modules.push_back({"init", layout.program(program)});
    MachineOptions options;
    options.platform = request.platform;
    options.cpus = request.machine_cpus.value_or(request.guest.cpus.value_or(1));
    options.memory_bytes = request.machine_memory.value_or(request.guest.memory_bytes.value_or(mebibytes(512)));
    options.image = work.path() / "boot.iso";
    options.work_directory = work.path();
    options.uefi = request.uefi;
    options.wait_for_gdb = request.wait_for_gdb;
    build_iso(image, options.image, work.path());
    RunLog log(log_file);
    auto machine = Machine::start(options);
    return plain_session(machine, log, limit, output);
}

SessionResult run_system_interactively(const Layout& layout, const SystemRequest& request, const fs::path& log_file) {
    const TemporaryDirectory work;
    const auto run = prepare(layout, request, work.path());
    RunLog log(log_file);
    auto machine = Machine::start(run.machine);
    return interactive_session(machine, log);
}

}  // namespace bulkhead::tool
