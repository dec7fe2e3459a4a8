// SPDX-License-Identifier: Apache-2.0
// From a request ("this manifest, on that platform, with this command") to a finished run.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "tools/bulkhead/manifest.hpp"
#include "tools/console/session.hpp"
#include "tools/console/terminal.hpp"
#include "tools/image/iso.hpp"
#include "tools/machine/layout.hpp"
#include "tools/machine/platform.hpp"

namespace bulkhead::tool {

struct SystemRequest {
    std::filesystem::path manifest = {};  ///< empty: the default system, one Debian guest
    Platform platform = Platform::QemuSvm;
    ManifestOverrides overrides = {};
    std::optional<std::string> exec_command = {};
    std::map<std::string, std::filesystem::path> exec_programs = {};  ///< by name in the guest's /bulkhead, for --exec
    std::optional<TerminalDescription> terminal = {};  ///< what the first guest's console is shown on
    std::string kernel_arguments = {};               ///< appended to Bulkhead's command line
    std::optional<MachineTime> time = {};            ///< nothing: as it suits whoever is at the console, or waits
    bool uefi = false;
    unsigned gdb_port = 0;  ///< not 0: stop before the first instruction and wait for gdb there
    // What a test does to a system:
    bool exit_device = true;                         ///< false: nothing ends the run but switching the machine off
    std::string cpu_model = {};                      ///< another processor model than the platform's
    std::uint64_t real_memory_bytes = 0;             ///< not 0: what the machine has, whatever the manifest needs
    std::vector<std::string> broken_modules = {};    ///< boot modules with nonsense for a content
    std::vector<std::string> missing_modules = {};   ///< boot modules that are left out
};

/// The manifest used when none is named.
[[nodiscard]] std::filesystem::path default_manifest(const Layout& layout);

/// A guest's initrd with an archive behind it that makes the guest's /init run `command` between markers that have
/// `token` in them.
[[nodiscard]] std::string initrd_with_command(std::string initrd, const SystemRequest& request, const std::string& token);

/// Builds the image, starts the machine and runs it: one command in the guest when the request has one, else to
/// the end of the system. The log of the run goes to `log_file`.
[[nodiscard]] SessionResult run_system(const Layout& layout, const SystemRequest& request,
                                       const std::filesystem::path& log_file, std::chrono::seconds limit,
                                       const std::function<void(std::string_view)>& output);

/// Makes the boot image of the kernel with one program of the build as its root task ("none": without any).
void build_program_image(const Layout& layout, const std::string& program, const std::string& kernel_arguments,
                         const std::filesystem::path& image, const std::filesystem::path& work_directory);

/// Boots the kernel with one program of the build as its root task ("none": without any), the way a system test
/// runs; everything it prints goes to `output`.
[[nodiscard]] SessionResult run_program(const Layout& layout, const std::string& program, const SystemRequest& request,
                                        const std::filesystem::path& log_file, std::chrono::seconds limit,
                                        const std::function<void(std::string_view)>& output);

/// The same as run_system() with the user's terminal as the consoles.
[[nodiscard]] SessionResult run_system_interactively(const Layout& layout, const SystemRequest& request,
                                                     const std::filesystem::path& log_file);

}  // namespace bulkhead::tool
