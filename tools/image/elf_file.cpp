// SPDX-License-Identifier: Apache-2.0
#include "tools/image/elf_file.hpp"

#include <elf.h>

#include <cstring>

#include "tools/machine/error.hpp"
#include "tools/machine/layout.hpp"
#include "tools/machine/process.hpp"

namespace bulkhead::tool {

namespace {

/// Reads structures and ranges out of a file's bytes, each checked against its end.
class ElfReader {
  public:
    explicit ElfReader(const std::filesystem::path& file) : file_(file), bytes_(read_file(file)) {}

    template <typename T>
    T at(std::uint64_t offset) const {
        T value;
        std::memcpy(&value, range(offset, sizeof value).data(), sizeof value);
        return value;
    }

    std::string_view range(std::uint64_t offset, std::uint64_t size) const {
        if (offset > bytes_.size() || size > bytes_.size() - offset) {
            throw Error(file_.string() + " is a damaged ELF file");
        }
        return std::string_view(bytes_).substr(offset, size);
    }

    Elf64_Ehdr header() const {
        if (bytes_.size() < sizeof(Elf64_Ehdr) || !bytes_.starts_with(ELFMAG) || bytes_[EI_CLASS] != ELFCLASS64) {
            throw Error(file_.string() + " is not a 64-bit ELF file");
        }
        return at<Elf64_Ehdr>(0);
    }

  private:
    std::filesystem::path file_;
    std::string bytes_;
};

}  // namespace

std::optional<std::string> elf_section(const std::filesystem::path& file, std::string_view name) {
    const ElfReader elf(file);
    const auto header = elf.header();
    const auto section = [&](std::uint64_t index) {
        return elf.at<Elf64_Shdr>(header.e_shoff + index * sizeof(Elf64_Shdr));
    };
    if (header.e_shnum == 0 || header.e_shstrndx >= header.e_shnum) return std::nullopt;
    const auto names_header = section(header.e_shstrndx);
    const auto names = elf.range(names_header.sh_offset, names_header.sh_size);
    for (unsigned index = 0; index < header.e_shnum; ++index) {
        const auto candidate = section(index);
        if (candidate.sh_name >= names.size()) continue;
        const auto tail = names.substr(candidate.sh_name);
        if (tail.substr(0, tail.find('\0')) != name || candidate.sh_type == SHT_NOBITS) continue;
        return std::string(elf.range(candidate.sh_offset, candidate.sh_size));
    }
    return std::nullopt;
}

std::vector<std::string> split_strings(std::string_view section) {
    std::vector<std::string> result;
    while (!section.empty()) {
        const auto length = std::min(section.find('\0'), section.size());
        if (length != 0) result.emplace_back(section.substr(0, length));
        section.remove_prefix(std::min(length + 1, section.size()));
    }
    return result;
}

void strip_elf(const std::filesystem::path& from, const std::filesystem::path& to) {
    const auto result = run_command({"objcopy", "--strip-all", from.string(), to.string()});
    if (result.exit_status != 0) throw Error("cannot strip " + from.string() + ": " + result.text);
}

}  // namespace bulkhead::tool
