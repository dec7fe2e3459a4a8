// SPDX-License-Identifier: Apache-2.0
// Starting an emulated machine from a boot image, and its serial line.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "tools/machine/platform.hpp"
#include "tools/machine/process.hpp"
#include "tools/machine/size.hpp"

namespace bulkhead::tool {

/// What the time of QEMU's emulated CPUs is; the other platforms have their own. With guests `Host` is for short tests
/// only: QEMU 7.2 loses interrupts then, and the nested-paging state of its first CPU (docs/decision/0016-qemu-time.md).
enum class MachineTime : std::uint8_t {
    Host,     ///< this machine's; the CPUs run in parallel
    Paced,    ///< an instruction takes 1 ns; while all CPUs are idle, time passes as it does here: for people
    Skipped,  ///< the same, but idle time takes none: for whoever waits for a result
    Counted,  ///< the same, and the date is a fixed one: runs repeat exactly
};

struct MachineOptions {
    Platform platform = Platform::QemuSvm;
    unsigned cpus = 1;
    std::uint64_t memory_bytes = mebibytes(512);
    std::filesystem::path image;           ///< hybrid ISO, see tools/image
    std::filesystem::path work_directory;  ///< for the emulator's own files; lives as long as the machine
    std::string cpu_model = {};            ///< overrides the platform's processor model
    MachineTime time = MachineTime::Host;
    bool uefi = false;                     ///< QEMU: boot by OVMF instead of the PC BIOS
    bool exit_device = true;               ///< QEMU: a port ends the run with a status; hardware has none
    bool forgive_unknown_msrs = false;  ///< Bochs: they read as zero instead of raising #GP; Linux needs it
    std::string debugger_commands = {};    ///< Bochs: what its debugger does, line by line; output in bochs-output.log
    bool wait_for_gdb = false;             ///< QEMU: stop before the first instruction, gdb on gdb_port
    unsigned gdb_port = 0;
};

enum class Received { Data, Ended, TimedOut };

/// A running machine: an emulator's process and the other end of its COM1.
class Machine {
  public:
    /// Starts the emulator; throws Error when it cannot. The nested platforms are made of two machines, see
    /// tools/nested.
    [[nodiscard]] static Machine start(const MachineOptions& options);

    /// Appends what the machine printed to `into`, waiting at most `wait` for the first byte. Ended is reported
    /// once, after the last byte.
    [[nodiscard]] Received receive(std::string& into, std::chrono::milliseconds wait);
    /// Types into COM1. A machine that has ended swallows it.
    void send(std::string_view bytes);
    /// Ends the machine at once.
    void stop();

    [[nodiscard]] int serial_descriptor() const { return serial_.value(); }
    /// What the emulator itself had to say (its standard error or log file), for messages about failed runs.
    [[nodiscard]] std::string emulator_messages() const;

  private:
    friend Machine start_qemu(const MachineOptions& options);
    friend Machine start_bochs(const MachineOptions& options);

    Child child_;
    Descriptor serial_;
    std::filesystem::path message_file_;
};

/// A port of the loopback interface that nobody listens on: `wanted` if that is free.
[[nodiscard]] unsigned free_port(unsigned wanted);

[[nodiscard]] Machine start_qemu(const MachineOptions& options);
[[nodiscard]] Machine start_bochs(const MachineOptions& options);

/// QEMU's command line; apart from start_qemu() for its tests and for messages.
[[nodiscard]] std::vector<std::string> qemu_arguments(const MachineOptions& options);
/// The text of bochsrc; `serial_address` is the HOST:PORT Bochs connects its COM1 to.
[[nodiscard]] std::string bochs_configuration(const MachineOptions& options, const std::filesystem::path& disk,
                                              std::string_view serial_address);

}  // namespace bulkhead::tool
