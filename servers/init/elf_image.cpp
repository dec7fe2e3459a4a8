// SPDX-License-Identifier: Apache-2.0
#include "servers/init/elf_image.hpp"

#include <cstring>

#include "base/address.hpp"
#include "base/range.hpp"
#include "protocol/startup.hpp"

namespace bulkhead::init {
namespace {

struct FileHeader {
    unsigned char identification[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_bytes, program_header_bytes, program_header_count;
    uint16_t section_header_bytes, section_header_count, section_names;
};
static_assert(sizeof(FileHeader) == 64);

struct ProgramHeader {
    uint32_t type, flags;
    uint64_t offset, virtual_address, physical_address, file_bytes, memory_bytes, alignment;
};
static_assert(sizeof(ProgramHeader) == 56);

constexpr unsigned char identification_64_bit_little_endian[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
constexpr uint16_t type_executable = 2;
constexpr uint16_t machine_x86_64 = 62;
constexpr uint32_t segment_load = 1;
constexpr uint32_t flag_execute = 1;
constexpr uint32_t flag_write = 2;

bool is_program(const FileHeader& header) {
    return std::memcmp(header.identification, identification_64_bit_little_endian,
                       sizeof(identification_64_bit_little_endian)) == 0 &&
           header.type == type_executable && header.machine == machine_x86_64 &&
           header.program_header_bytes == sizeof(ProgramHeader);
}

}  // namespace

uint64_t ElfSegment::first_page() const { return align_down(address, page_size_bytes); }
uint64_t ElfSegment::pages_end() const { return align_up(address + memory_bytes, page_size_bytes); }
bool ElfSegment::can_be_shared() const {
    return !writable && file_bytes == memory_bytes && is_aligned(file_offset - address, page_size_bytes);
}

Result<void, ElfError> ElfImage::add(const ElfSegment& segment) {
    const auto in_file = Range::create(segment.file_offset, segment.file_bytes);
    if (!in_file || in_file->end() > file_.size() || segment.file_bytes > segment.memory_bytes)
        return ElfError::OutsideFile;
    const auto window =
        *Range::create(protocol::Place::program, protocol::Place::program_end - protocol::Place::program);
    const auto in_memory = Range::create(segment.address, segment.memory_bytes);
    if (!in_memory || !window.contains(*in_memory)) return ElfError::OutsideWindow;
    if (segment.writable && segment.executable) return ElfError::WritableCode;
    for (const ElfSegment& other : segments_) {
        // By pages, since rights belong to pages.
        if (segment.first_page() < other.pages_end() && other.first_page() < segment.pages_end())
            return ElfError::Overlap;
    }
    if (!segments_.push_back(segment)) return ElfError::TooManySegments;
    return {};
}

bool ElfImage::entry_is_code() const {
    for (const ElfSegment& segment : segments_) {
        if (segment.executable && entry_ >= segment.address && entry_ - segment.address < segment.file_bytes)
            return true;
    }
    return false;
}

Result<ElfImage, ElfError> ElfImage::create(std::span<const std::byte> file) {
    FileHeader header;
    if (file.size() < sizeof(header)) return ElfError::NotElf;
    std::memcpy(&header, file.data(), sizeof(header));
    if (!is_program(header)) return ElfError::NotElf;
    const auto table = Range::create(header.program_headers, header.program_header_count * sizeof(ProgramHeader));
    if (!table || table->end() > file.size()) return ElfError::BadTable;

    ElfImage image{file};
    image.entry_ = header.entry;
    for (size_t index = 0; index < header.program_header_count; ++index) {
        ProgramHeader program;
        std::memcpy(&program, file.data() + header.program_headers + index * sizeof(program), sizeof(program));
        if (program.type != segment_load || program.memory_bytes == 0) continue;
        TRY(image.add({program.offset, program.file_bytes, program.virtual_address, program.memory_bytes,
                       (program.flags & flag_write) != 0, (program.flags & flag_execute) != 0}));
    }
    if (image.segments_.empty()) return ElfError::NoSegment;
    if (!image.entry_is_code()) return ElfError::BadEntry;
    return image;
}

}  // namespace bulkhead::init
