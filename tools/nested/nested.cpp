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

/// The rig's initramfs with this run's image and arguments behind it.
std::string rig_archive(const fs::path& rig, const MachineOptions& inner) {
    CpioArchive archive;
    archive.add_file("boot.iso", read_file(inner.image));
    archive.add_file("bulkhead/arguments", inner_arguments(inner));
    return join_archives(read_file(rig), std::move(archive).finish());
}

Machine start_nested(const Layout& layout, const MachineOptions& inner) {
    if (inner.uefi || inner.wait_for_gdb) throw Error("the nested rigs know neither UEFI nor gdb");
    const std::string vendor = inner.platform == Platform::NestedSvm ? "amd" : "intel";
    const fs::path linux_guest = layout.guests() / "linux-cloud";
    const fs::path rig = layout.guests() / ("rig-" + vendor);
    run_recipe({(layout.source / "guests" / "linux" / "build").string(), "cloud", linux_guest.string()});
    run_recipe({(layout.source / "tools" / "nested" / "build-rig").string(), vendor, linux_guest.string(), rig.string()});

    MachineOptions outer;
    outer.platform = inner.platform == Platform::NestedSvm ? Platform::QemuSvm : Platform::BochsVmx;
    outer.cpus = inner.cpus;
    outer.forgive_unknown_msrs = true;
    outer.memory_bytes = inner.memory_bytes + kOuterMemory;
    outer.work_directory = inner.work_directory;
    outer.image = inner.work_directory / "rig.iso";
    write_file(inner.work_directory / "rig", rig_archive(rig, inner));
    build_linux_iso({linux_guest / "vmlinuz", inner.work_directory / "rig", "console=ttyS0 quiet loglevel=1 mitigations=off"},
                    outer.image, inner.work_directory);
    fs::remove(inner.work_directory / "rig");
    return Machine::start(outer);
}

}  // namespace

std::string inner_arguments(const MachineOptions& options) {
    return fmt::format(
        "-M q35 -accel kvm -cpu host -smp {} -m {} -display none -vga none -nodefaults -no-user-config -no-reboot "
        "-L /usr/share/qemu -chardev stdio,id=com1,signal=off -serial chardev:com1 "
        "-device isa-debug-exit,iobase=0xf4,iosize=4 -drive file=/boot.iso,format=raw,if=ide,media=cdrom,readonly=on",
        options.cpus, options.memory_bytes >> 20);
}

Machine start_machine(const Layout& layout, const MachineOptions& options) {
    const bool nested = options.platform == Platform::NestedSvm || options.platform == Platform::NestedVmx;
    return nested ? start_nested(layout, options) : Machine::start(options);
}

}  // namespace bulkhead::tool
