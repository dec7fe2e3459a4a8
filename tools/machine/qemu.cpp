// SPDX-License-Identifier: Apache-2.0
// QEMU as a machine: TCG emulating AMD-V, or KVM.
#include <fcntl.h>
#include <sys/socket.h>

#include <array>

#include "tools/machine/error.hpp"
#include "tools/machine/launch.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

struct Firmware {
    fs::path code;
    fs::path variables;
};

Firmware find_uefi() {
    static const std::array<Firmware, 2> known{{
        {"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
        {"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
    }};
    for (const auto& firmware : known) {
        if (fs::exists(firmware.code) && fs::exists(firmware.variables)) return firmware;
    }
    throw Error("no UEFI firmware for QEMU; install the package ovmf");
}

/// A file name inside a QEMU option, where a comma ends a value and two stand for one.
std::string quoted(const fs::path& path) {
    std::string result;
    for (const char c : path.string()) result += c == ',' ? ",," : std::string(1, c);
    return result;
}

void append(std::vector<std::string>& to, std::initializer_list<std::string> words) {
    to.insert(to.end(), words);
}

}  // namespace

std::vector<std::string> qemu_arguments(const MachineOptions& options) {
    const bool kvm = options.platform == Platform::Kvm;
    std::string cpu = options.cpu_model;
    if (cpu.empty()) cpu = kvm ? "host" : "EPYC";
    std::vector<std::string> words{"qemu-system-x86_64", "-M", "q35", "-accel", kvm ? "kvm" : "tcg", "-cpu", cpu};
    append(words, {"-smp", std::to_string(options.cpus)});
    append(words, {"-m", std::to_string(options.memory_bytes >> 20)});
    append(words, {"-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"});
    append(words, {"-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"});
    if (options.exit_device) append(words, {"-device", "isa-debug-exit,iobase=0xf4,iosize=4"});
    append(words, {"-drive", "file=" + quoted(options.image) + ",format=raw,if=ide,media=cdrom,readonly=on"});
    if (options.uefi) {
        const auto firmware = find_uefi();
        const fs::path variables = options.work_directory / "uefi-variables.fd";
        append(words, {"-drive", "if=pflash,format=raw,readonly=on,file=" + quoted(firmware.code)});
        append(words, {"-drive", "if=pflash,format=raw,file=" + quoted(variables)});
    }
    if (!kvm && options.time != MachineTime::Host) {
        append(words, {"-icount", options.time == MachineTime::Paced ? "shift=0,sleep=on" : "shift=0,sleep=off"});
    }
    if (!kvm && options.time == MachineTime::Counted) append(words, {"-rtc", "base=2020-01-01,clock=vm", "-seed", "1"});
    if (options.wait_for_gdb) append(words, {"-gdb", "tcp:127.0.0.1:" + std::to_string(options.gdb_port), "-S"});
    return words;
}

Machine start_qemu(const MachineOptions& options) {
    if (options.uefi) {
        fs::copy_file(find_uefi().variables, options.work_directory / "uefi-variables.fd",
                      fs::copy_options::overwrite_existing);
    }
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("socketpair");
    Machine machine;
    machine.serial_ = Descriptor(ends[0]);
    const Descriptor theirs(ends[1]);
    machine.message_file_ = options.work_directory / "qemu.log";
    const Descriptor messages(::open(machine.message_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!messages.valid()) throw_errno("cannot write " + machine.message_file_.string());
    machine.child_ = Child(qemu_arguments(options), {theirs.value(), theirs.value(), messages.value()});
    return machine;
}

}  // namespace bulkhead::tool
