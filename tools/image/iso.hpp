// SPDX-License-Identifier: Apache-2.0
// The boot image: GRUB, the kernel and its modules in one ISO that boots by BIOS and by UEFI, from CD or disk.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bulkhead::tool {

/// One Multiboot2 module. Its command line is its name, then `arguments`.
struct BootModule {
    std::string name;
    std::filesystem::path file;
    std::string arguments = {};
};

struct BootImage {
    std::filesystem::path kernel;
    std::string command_line;
    std::vector<BootModule> modules;
};

/// A Linux to boot instead of Bulkhead, for the nested rigs.
struct LinuxImage {
    std::filesystem::path kernel;
    std::filesystem::path initrd;
    std::string command_line;
};

/// What GRUB runs; the file of module number N is /module/N, so names need not be file names.
[[nodiscard]] std::string grub_configuration(const BootImage& image);

/// Builds the ISO at `iso`, with `work_directory` for the pieces. ELF files go in stripped; a missing or
/// unreadable file is an Error that names the module.
void build_iso(const BootImage& image, const std::filesystem::path& iso, const std::filesystem::path& work_directory);
void build_linux_iso(const LinuxImage& image, const std::filesystem::path& iso,
                     const std::filesystem::path& work_directory);

}  // namespace bulkhead::tool
