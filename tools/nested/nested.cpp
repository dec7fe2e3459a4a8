// SPDX-License-Identifier: Apache-2.0
#include "tools/nested/nested.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "tools/image/cpio.hpp"
#include "tools/image/iso.hpp"
#include "tools/machine/error.hpp"
#include "tools/machine/process.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

/// What the outer Linux needs for itself and, while it unpacks, for two copies of the rig.
constexpr std::uint64_t kOuterMemory = mebibytes(448);

void run_recipe(const std::vector<std::string>& words) {
    Child child(words, {-1, STDERR_FILENO, STDERR_FILENO});
    if (exit_status(child.wait()) != 0) throw Error("cannot make the nested rig");
}

/// A part of the rig as an archive, made when missing.
std::string rig_part(const Layout& layout, const std::string& part, const fs::path& linux_guest) {
    const fs::path file = layout.guests() / ("rig-" + part);
    run_recipe({(layout.source / "tools" / "nested" / "build-rig").string(), part, linux_guest.string(), file.string()});
    return read_file(file);
}

/// What this run adds: script, files and programs.
std::string run_archive(const Rig& rig) {
    CpioArchive archive;
    archive.add_directory("bulkhead");
    archive.add_file("bulkhead/run", rig.script);
    for (const auto& [name, content] : rig.files) archive.add_file("bulkhead/" + name, content);
    for (const auto& [name, file] : rig.programs) {
        if (!fs::is_regular_file(file)) throw Error(fmt::format("the program {} was not built", file.string()));
        archive.add_file("bulkhead/" + name, read_file(file), 0755);
    }
    return std::move(archive).finish();
}

Machine start_nested(const Layout& layout, const MachineOptions& inner) {
    if (inner.uefi || inner.wait_for_gdb) throw Error("the nested rigs know neither UEFI nor gdb");
    Rig rig;
    rig.platform = inner.platform == Platform::NestedSvm ? Platform::QemuSvm : Platform::BochsVmx;
    rig.cpus = inner.cpus;
    rig.memory_bytes = inner.memory_bytes;
    rig.with_qemu = true;
    rig.script = read_file(layout.source / "tools" / "nested" / "run-bulkhead");
    rig.files = {{"boot.iso", read_file(inner.image)}, {"arguments", inner_arguments(inner)}};
    return start_rig(layout, rig, inner.work_directory);
}

}  // namespace

std::string rig_initramfs(const Layout& layout, const Rig& rig) {
    const fs::path linux_guest = layout.guests() / "linux-cloud";
    run_recipe({(layout.source / "guests" / "linux" / "build").string(), "cloud", linux_guest.string()});
    std::string archive = rig_part(layout, rig.platform == Platform::QemuSvm ? "amd" : "intel", linux_guest);
    if (rig.with_qemu) archive = join_archives(std::move(archive), rig_part(layout, "qemu", linux_guest));
    return join_archives(std::move(archive), run_archive(rig));
}

Machine start_rig(const Layout& layout, const Rig& rig, const fs::path& work_directory) {
    const fs::path initrd = work_directory / "rig";
    write_file(initrd, rig_initramfs(layout, rig));

    MachineOptions outer;
    outer.platform = rig.platform;
    outer.cpus = rig.cpus;
    outer.forgive_unknown_msrs = true;
    outer.time = rig.time;
    outer.memory_bytes = rig.memory_bytes + kOuterMemory;
    outer.work_directory = work_directory;
    outer.image = work_directory / "rig.iso";
    build_linux_iso({layout.guests() / "linux-cloud" / "vmlinuz", initrd, kRigCommandLine}, outer.image, work_directory);
    fs::remove(initrd);
    return Machine::start(outer);
}

std::string inner_arguments(const MachineOptions& options) {
    return fmt::format(
        "-M q35 -accel kvm -cpu host -smp {} -m {} -display none -vga none -nodefaults -no-user-config -no-reboot "
        "-L /usr/share/qemu -chardev stdio,id=com1,signal=off -serial chardev:com1 "
        "-device isa-debug-exit,iobase=0xf4,iosize=4 "
        "-drive file=/bulkhead/boot.iso,format=raw,if=ide,media=cdrom,readonly=on",
        options.cpus, options.memory_bytes >> 20);
}

Machine start_machine(const Layout& layout, const MachineOptions& options) {
    const bool nested = options.platform == Platform::NestedSvm || options.platform == Platform::NestedVmx;
    return nested ? start_nested(layout, options) : Machine::start(options);
}

}  // namespace bulkhead::tool
