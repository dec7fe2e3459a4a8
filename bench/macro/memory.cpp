// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include <cstring>

#include "bench/macro/boot.hpp"

namespace bulkhead::bench {

namespace {

/// What a 64-bit ELF file takes in memory; 0 if it is none.
std::uint64_t loaded_kib(const std::string& file) {
    Elf64_Ehdr header{};
    if (file.size() < sizeof header) return 0;
    std::memcpy(&header, file.data(), sizeof header);
    std::uint64_t bytes = 0;
    for (unsigned index = 0; index < header.e_phnum; ++index) {
        Elf64_Phdr segment{};
        const std::uint64_t place = header.e_phoff + index * sizeof segment;
        if (place + sizeof segment > file.size()) return 0;
        std::memcpy(&segment, file.data() + place, sizeof segment);
        if (segment.p_type == PT_LOAD) bytes += segment.p_memsz;
    }
    return bytes >> 10;
}

}  // namespace

std::vector<MemoryUse> memory_of_run(const BootLog& log, const std::filesystem::path& kernel) {
    std::vector<MemoryUse> memory{{.name = "kernel, image and for itself", .own_kib = loaded_kib(tool::read_file(kernel)) + log.kernel_own_kib()}};
    memory.insert(memory.end(), log.memory.begin(), log.memory.end());
    return memory;
}

}  // namespace bulkhead::bench
