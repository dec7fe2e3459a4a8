// SPDX-License-Identifier: Apache-2.0
#include "kernel/root_program.hpp"

#include <cstring>

#include "kernel/object/memory_object.hpp"

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
constexpr uint64_t maximum_segment_bytes = 4 << 20;  // an allocation of the kernel's pool

/// What is wrong with a segment of the program, or null once it is loaded.
const char* load(Domain& root, Bytes image, const ProgramHeader& header) {
    if (header.offset > image.size() || header.file_bytes > image.size() - header.offset)
        return "a segment lies outside the file";
    if (header.memory_bytes < header.file_bytes) return "a segment is smaller in memory than in the file";
    if (header.memory_bytes > maximum_segment_bytes) return "a segment is larger than 4 MiB";
    if (header.address < abi::program_base_address || header.address >= abi::user_address_limit - header.memory_bytes)
        return "a segment lies below the program base or above the user limit";
    const bool write = (header.flags & write_flag) != 0, execute = (header.flags & execute_flag) != 0;
    if (write && execute) return "a segment is both writable and executable";
    const Range pages = Range::between(align_down(header.address, page_size_bytes),
                                       align_up(header.address + header.memory_bytes, page_size_bytes));
    const auto content = map_root_pages(root, pages, {.write = write, .execute = execute});
    if (!content.ok()) return "two segments share a page, or there is no memory for one";
    std::memcpy(content.value() + (header.address - pages.start()), image.data() + header.offset, header.file_bytes);
    return nullptr;
}

}  // namespace

abi::Result<std::byte*> map_root_pages(Domain& root, const Range& range, x86::PageAccess access) {
    unsigned order = 0;
    while ((page_size_bytes << order) < range.size()) ++order;
    void* pages = TRY(root.heap().allocate_pages(order));
    const Range physical = *Range::create(physical_of(pages).value(), range.size());
    auto* memory = TRY(root.make<MemoryObject>(nullptr, physical, MemoryObject::Kind::Ram, false));
    TRY(root.space().map(range, *memory, 0, access));
    std::optional<abi::Status> status;
    while (!status) status = LongOperation::step();
    if (*status != abi::Status::Ok) return *status;
    return static_cast<std::byte*>(pages);
}

Result<uint64_t, const char*> load_root_program(Domain& root, Bytes image) {
    const auto header = read_at<ElfHeader>(image, 0);
    if (!header) return "the file is shorter than an ELF header";
    if (std::memcmp(header->identification, expected_identification, sizeof expected_identification) != 0 ||
        header->type != executable_type || header->machine != x86_64_machine)
        return "it is not a static x86-64 ELF executable";
    unsigned loaded = 0;
    for (unsigned index = 0; index < header->program_header_count; ++index) {
        const auto segment = read_at<ProgramHeader>(image, header->program_headers + index * sizeof(ProgramHeader));
        if (!segment) return "the program headers lie outside the file";
        if (segment->type != load_type || segment->memory_bytes == 0) continue;
        if (const char* problem = load(root, image, *segment); problem != nullptr) return problem;
        ++loaded;
    }
    if (loaded == 0) return "it has no segment to load";
    return header->entry;
}

}  // namespace bulkhead::kernel
