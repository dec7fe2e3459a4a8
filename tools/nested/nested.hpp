// SPDX-License-Identifier: Apache-2.0
// The nested rigs: an emulated machine that runs Debian's Linux with KVM, which runs Bulkhead or what is measured
// beside it.
#pragma once

#include <map>

#include "tools/machine/launch.hpp"
#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

/// One run of Debian's Linux with KVM on an emulated machine.
struct Rig {
    Platform platform = Platform::QemuSvm;      ///< the emulated machine: qemu-svm or bochs-vmx
    unsigned cpus = 1;
    std::uint64_t memory_bytes = 0;             ///< beside what the rig needs for itself
    MachineTime time = MachineTime::Skipped;
    bool with_qemu = false;                     ///< put QEMU into it
    std::string script = {};                    ///< for busybox's shell; the machine ends behind it
    std::map<std::string, std::string> files = {};     ///< content by name in /bulkhead
    std::map<std::string, std::filesystem::path> programs = {};  ///< executables by name in /bulkhead
};

/// What the rig's Linux is started with.
constexpr const char* kRigCommandLine = "console=ttyS0 quiet loglevel=1 mitigations=off";

/// The initramfs of a rig: its parts, and what this run adds.
[[nodiscard]] std::string rig_initramfs(const Layout& layout, const Rig& rig);

/// Starts a rig. What it is made of comes from Debian packages and is made when missing.
[[nodiscard]] Machine start_rig(const Layout& layout, const Rig& rig, const std::filesystem::path& work_directory);

/// Starts the machine `options` describes. On the nested platforms that is a rig with QEMU and `options.image` in it.
[[nodiscard]] Machine start_machine(const Layout& layout, const MachineOptions& options);

/// QEMU's arguments for the inner machine, whose image is /bulkhead/boot.iso.
[[nodiscard]] std::string inner_arguments(const MachineOptions& options);

}  // namespace bulkhead::tool
