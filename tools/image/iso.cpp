// SPDX-License-Identifier: Apache-2.0
#include "tools/image/iso.hpp"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "tools/image/elf_file.hpp"
#include "tools/machine/error.hpp"
#include "tools/machine/layout.hpp"
#include "tools/machine/process.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

/// The words of `text`, each in single quotes for GRUB's shell. Word by word, because GRUB puts double quotes around
/// a word that has a space in it, and the kernel would see those.
std::string quote_words(std::string_view text) {
    std::istringstream words{std::string(text)};
    std::string result;
    for (std::string word; words >> word;) result += (result.empty() ? "" : " ") + shell_word(word);
    return result;
}

bool is_elf(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    char magic[4] = {};
    stream.read(magic, sizeof magic);
    return std::string_view(magic, sizeof magic) == "\177ELF";
}

/// Puts one file into the image's tree: ELF files stripped, others as a link where the file system allows.
void place(const std::string& what, const fs::path& from, const fs::path& to) {
    if (!fs::is_regular_file(from)) throw Error(fmt::format("{}: there is no file {}", what, from.string()));
    if (is_elf(from)) return strip_elf(from, to);
    std::error_code error;
    fs::create_hard_link(from, to, error);
    if (error) fs::copy_file(from, to);
}

/// No menu: the commands run as the file is read. GRUB's own errors appear on the serial line.
constexpr const char* kGrubPreamble =
    "serial --unit=0 --speed=115200\n"
    "terminfo serial dumb\n"
    "terminal_output serial\n";

void write_iso(const fs::path& tree, const fs::path& iso) {
    // GRUB's own part stays small by naming the modules the configuration needs; without that it is 20 MB, which
    // Bochs reads for many seconds.
    const auto result = run_command({"grub-mkrescue", "--locales=", "--fonts=", "--themes=",
                                     "--install-modules=normal multiboot2 linux serial terminal terminfo iso9660 "
                                     "part_gpt part_msdos boot",
                                     "-o", iso.string(), tree.string()},
                                    120);
    if (result.exit_status != 0) throw Error("grub-mkrescue failed:\n" + result.text);
    fs::remove_all(tree);
}

}  // namespace

std::string grub_configuration(const BootImage& image) {
    std::string text = kGrubPreamble;
    text += fmt::format("multiboot2 /kernel {}\n", quote_words(image.command_line));
    for (std::size_t index = 0; index < image.modules.size(); ++index) {
        const auto& module = image.modules[index];
        text += fmt::format("module2 /module/{} {}", index, quote_words(module.name));
        if (!module.arguments.empty()) text += " " + quote_words(module.arguments);
        text += "\n";
    }
    return text + "boot\n";
}

void build_iso(const BootImage& image, const fs::path& iso, const fs::path& work_directory) {
    const fs::path tree = work_directory / "iso";
    fs::create_directories(tree / "boot" / "grub");
    fs::create_directories(tree / "module");
    place("kernel", image.kernel, tree / "kernel");
    for (std::size_t index = 0; index < image.modules.size(); ++index) {
        const auto& module = image.modules[index];
        place("module " + module.name, module.file, tree / "module" / std::to_string(index));
    }
    write_file(tree / "boot" / "grub" / "grub.cfg", grub_configuration(image));
    write_iso(tree, iso);
}

void build_linux_iso(const LinuxImage& image, const fs::path& iso, const fs::path& work_directory) {
    const fs::path tree = work_directory / "linux-iso";
    fs::create_directories(tree / "boot" / "grub");
    place("kernel", image.kernel, tree / "linux");
    place("initrd", image.initrd, tree / "initrd");
    write_file(tree / "boot" / "grub" / "grub.cfg",
               fmt::format("{}linux /linux {}\ninitrd /initrd\nboot\n", kGrubPreamble, quote_words(image.command_line)));
    write_iso(tree, iso);
}

}  // namespace bulkhead::tool
