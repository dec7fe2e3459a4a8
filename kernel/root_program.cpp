// SPDX-License-Identifier: Apache-2.0
#include "kernel/root_program.hpp"

#include <cstring>

#include "abi/layout.hpp"
#include "kernel/platform/byte_reader.hpp"

namespace bulkhead::kernel {

namespace {

struct ElfHeader {
    uint8_t identification[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_bytes, program_header_bytes, program_header_count, section_header_bytes, section_header_count, names;
};
static_assert(sizeof(ElfHeader) == 64);

struct ProgramHeader {
    uint32_t type, flags;
    uint64_t offset, address, physical_address, file_bytes, memory_bytes, alignment;
};
static_assert(sizeof(ProgramHeader) == 56);

constexpr uint8_t expected_identification[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};  // 64 bits, little endian, version 1
constexpr uint16_t executable_type = 2;
constexpr uint16_t x86_64_machine = 62;
constexpr uint32_t load_type = 1;
constexpr uint32_t execute_flag = 1;
constexpr uint32_t write_flag = 2;

const char* check(const ProgramHeader& header, size_t image_bytes) {
    if (header.offset > image_bytes || header.file_bytes > image_bytes - header.offset) return "a segment lies outside the file";
    if (header.memory_bytes < header.file_bytes) return "a segment is smaller in memory than in the file";
    if (header.memory_bytes > RootProgram::maximum_bytes) return "a segment is larger than 4 MiB";
    if (header.address < abi::program_base_address || header.address >= abi::user_address_limit - header.memory_bytes)
        return "a segment lies below the program base or above the user limit";
    if ((header.flags & (execute_flag | write_flag)) == (execute_flag | write_flag))
        return "a segment is both writable and executable";
    return nullptr;
}

}  // namespace

Result<RootProgram, const char*> RootProgram::parse(std::span<const std::byte> image) {
    const auto header = read_at<ElfHeader>(image, 0);
    if (!header) return "the file is shorter than an ELF header";
    if (std::memcmp(header->identification, expected_identification, sizeof expected_identification) != 0 ||
        header->type != executable_type || header->machine != x86_64_machine)
        return "it is not a static x86-64 ELF executable";
    RootProgram program;
    program.entry = header->entry;
    for (unsigned index = 0; index < header->program_header_count; ++index) {
        const auto segment = read_at<ProgramHeader>(image, header->program_headers + index * sizeof(ProgramHeader));
        if (!segment) return "the program headers lie outside the file";
        if (segment->type != load_type || segment->memory_bytes == 0) continue;
        if (const char* problem = check(*segment, image.size()); problem != nullptr) return problem;
        const bool added = program.segments.push_back({segment->address, segment->memory_bytes,
                                                       image.subspan(segment->offset, segment->file_bytes),
                                                       (segment->flags & write_flag) != 0,
                                                       (segment->flags & execute_flag) != 0});
        if (!added) return "it has more than 8 segments";
        for (size_t i = 0; i + 1 < program.segments.size(); ++i)
            if (program.segments[i].pages().overlaps(program.segments.back().pages())) return "two segments share a page";
    }
    if (program.segments.empty()) return "it has no segment to load";
    return program;
}

}  // namespace bulkhead::kernel
