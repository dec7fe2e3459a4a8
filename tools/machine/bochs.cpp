// SPDX-License-Identifier: Apache-2.0
// Bochs as a machine: VT-x emulated in full.
//
// COM1 is a TCP connection that Bochs makes to us: its mode `term` would translate line ends, which breaks the
// framed protocol, and its mode `file` has no input. The display is ncurses on /dev/null. Debian's Bochs is built
// with the debugger, which waits for commands unless an rc file gives them.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "tools/machine/error.hpp"
#include "tools/machine/launch.hpp"
#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

constexpr unsigned kHeads = 16;
constexpr unsigned kSectorsPerTrack = 63;
constexpr unsigned kSectorBytes = 512;

fs::path first_existing(std::initializer_list<const char*> candidates, std::string_view package) {
    for (const char* candidate : candidates) {
        if (fs::exists(candidate)) return candidate;
    }
    throw Error(fmt::format("Bochs's firmware is missing; install the package {}", package));
}

std::uint64_t cylinders(std::uint64_t size_bytes) {
    constexpr std::uint64_t cylinder_bytes = kHeads * kSectorsPerTrack * kSectorBytes;
    return (size_bytes + cylinder_bytes - 1) / cylinder_bytes;
}

/// A listening socket on the loopback interface, and the port the system chose.
std::pair<Descriptor, unsigned> listen_on_loopback() {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (!socket.valid() || ::bind(socket.value(), generic, length) != 0 || ::listen(socket.value(), 1) != 0 ||
        ::getsockname(socket.value(), generic, &length) != 0) {
        throw_errno("cannot listen on the loopback interface");
    }
    return {std::move(socket), ntohs(address.sin_port)};
}

}  // namespace

std::string bochs_configuration(const MachineOptions& options, const fs::path& disk, std::string_view serial_address) {
    const std::string model = options.cpu_model.empty() ? "corei7_haswell_4770" : options.cpu_model;
    const auto bios = first_existing({"/usr/share/bochs/BIOS-bochs-latest"}, "bochsbios");
    const auto vga = first_existing({"/usr/share/vgabios/vgabios.bin", "/usr/share/bochs/VGABIOS-lgpl-latest"}, "vgabios");
    std::string text;
    const auto line = [&text](std::string words) { text += words + "\n"; };
    line(fmt::format("cpu: model={}, count={}, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs={}", model,
                     options.cpus, options.forgive_unknown_msrs ? 1 : 0));
    // Bochs keeps at most 2 GiB of the guest's memory in the host's; what is used beyond that would be swapped to a file.
    const std::uint64_t memory_mib = options.memory_bytes >> 20;
    line(fmt::format("memory: guest={}, host={}", memory_mib, std::min<std::uint64_t>(memory_mib, 2048)));
    line(fmt::format("romimage: file={}", bios.string()));
    line(fmt::format("vgaromimage: file={}", vga.string()));
    line("display_library: term");
    line("clock: sync=none, time0=utc");
    line(fmt::format("com1: enabled=1, mode=socket-client, dev={}", serial_address));
    line(fmt::format("ata0-master: type=disk, path=\"{}\", mode=flat, cylinders={}, heads={}, spt={}", disk.string(),
                     cylinders(fs::file_size(options.image)), kHeads, kSectorsPerTrack));
    line("boot: disk");
    line("magic_break: enabled=1");
    line("panic: action=fatal");
    line("error: action=report");
    line("info: action=ignore");
    line("debug: action=ignore");
    line("speaker: enabled=0");
    line(fmt::format("log: {}", (options.work_directory / "bochs.log").string()));
    return text;
}

Machine start_bochs(const MachineOptions& options) {
    if (options.uefi) throw Error("bochs-vmx boots by its PC BIOS only");
    if (options.wait_for_gdb) throw Error("Debian's Bochs has no gdb stub; use --on qemu-svm");
    auto [listener, port] = listen_on_loopback();

    // The image is read as a hard disk: several times faster than a CD under Bochs's BIOS. A disk has whole
    // cylinders, so the copy is padded.
    const fs::path disk = options.work_directory / "disk.img";
    fs::copy_file(options.image, disk, fs::copy_options::overwrite_existing);
    fs::resize_file(disk, cylinders(fs::file_size(options.image)) * kHeads * kSectorsPerTrack * kSectorBytes);

    const fs::path configuration = options.work_directory / "bochsrc";
    write_file(configuration, bochs_configuration(options, disk, fmt::format("127.0.0.1:{}", port)));
    // `c` runs; a magic breakpoint returns to the debugger, and `q` leaves it.
    const fs::path commands = options.work_directory / "bochs-commands";
    write_file(commands, options.debugger_commands.empty() ? "c\nq\n" : options.debugger_commands);

    Machine machine;
    machine.message_file_ = options.work_directory / "bochs.log";
    const fs::path output_file = options.work_directory / "bochs-output.log";
    const Descriptor output(::open(output_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    machine.child_ = Child({"bochs", "-q", "-f", configuration.string(), "-rc", commands.string()},
                           {-1, output.value(), output.value()}, {"TERM=vt100"});

    for (unsigned waited_ms = 0; waited_ms < 120000; waited_ms += 50) {
        pollfd ready{listener.value(), POLLIN, 0};
        if (::poll(&ready, 1, 50) > 0) {
            machine.serial_ = Descriptor(::accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC));
            const int on = 1;
            ::setsockopt(machine.serial_.value(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return machine;
        }
        if (machine.child_.poll()) break;
    }
    throw Error("Bochs did not start:\n" + read_file(output_file) + machine.emulator_messages());
}

}  // namespace bulkhead::tool
