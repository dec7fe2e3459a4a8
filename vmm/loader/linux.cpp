// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/linux.hpp"

#include <optional>

#include "vmm/loader/e820.hpp"
#include "vmm/vm/layout.hpp"

namespace bulkhead::vmm {
namespace {

/// Offsets of the set-up header, the same in the file and in the boot parameters.
namespace offset {
constexpr std::size_t acpi_root = 0x070;
constexpr std::size_t e820_count = 0x1e8;
constexpr std::size_t setup_sectors = 0x1f1;
constexpr std::size_t video_mode = 0x1fa;
constexpr std::size_t jump_length = 0x201;  // the header ends this many bytes behind 202h
constexpr std::size_t signature = 0x202;
constexpr std::size_t version = 0x206;
constexpr std::size_t loader_type = 0x210;
constexpr std::size_t load_flags = 0x211;
constexpr std::size_t code_start = 0x214;
constexpr std::size_t initrd_address = 0x218;
constexpr std::size_t initrd_size = 0x21c;
constexpr std::size_t command_line = 0x228;
constexpr std::size_t initrd_limit = 0x22c;
constexpr std::size_t alignment = 0x230;
constexpr std::size_t relocatable = 0x234;
constexpr std::size_t extended_load_flags = 0x236;
constexpr std::size_t command_line_size = 0x238;
constexpr std::size_t preferred_address = 0x258;
constexpr std::size_t init_size = 0x260;
constexpr std::size_t header_end = 0x264;
constexpr std::size_t e820_table = 0x2d0;
}  // namespace offset

constexpr uint32_t header_signature = 0x53726448;  // "HdrS"
constexpr uint16_t oldest_protocol = 0x020c;       // the first with xloadflags
constexpr uint16_t flag_64_bit_entry = 1 << 0;
constexpr uint64_t entry_64_bit = 0x200;
constexpr uint8_t flag_loaded_high = 1 << 0;
constexpr uint8_t unknown_loader = 0xff;
constexpr uint16_t normal_video = 0xffff;
constexpr std::size_t sector_bytes = 512;
constexpr std::size_t boot_parameters_bytes = 4096;
constexpr uint8_t default_setup_sectors = 4;
constexpr uint64_t four_gib = uint64_t{1} << 32;

constexpr uint64_t table_entry = 0x3;  // present, writable
constexpr uint64_t large_page = 0x83;
constexpr uint64_t large_page_bytes = 0x200000;
constexpr unsigned identity_directories = 4;  // the first 4 GiB

/// Selectors and descriptors the protocol asks for, and a task segment, without which no processor enters a guest.
constexpr uint16_t code_selector = 0x10, data_selector = 0x18, task_selector = 0x20;
constexpr uint64_t descriptors[] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00008b0000000067, 0};

template <typename T>
T field(std::span<const std::byte> image, std::size_t place) {
    T value{};
    __builtin_memcpy(&value, image.data() + place, sizeof(T));
    return value;
}
template <typename T>
void set_field(std::span<std::byte> image, std::size_t place, T value) {
    __builtin_memcpy(image.data() + place, &value, sizeof(T));
}

/// What the header says, checked.
struct Header {
    std::size_t setup_bytes;
    std::size_t header_end;
    uint64_t alignment;
    bool relocatable;
    uint64_t preferred_address;
    uint64_t init_size;
    uint64_t initrd_limit;
    uint64_t command_line_size;
};

Result<Header, LinuxError> read_header(std::span<const std::byte> kernel) {
    if (kernel.empty()) return LinuxError::NoKernel;
    if (kernel.size() < offset::header_end) return LinuxError::TooSmall;
    if (field<uint32_t>(kernel, offset::signature) != header_signature) return LinuxError::NotLinux;
    if (field<uint16_t>(kernel, offset::version) < oldest_protocol) return LinuxError::OldProtocol;
    if ((field<uint16_t>(kernel, offset::extended_load_flags) & flag_64_bit_entry) == 0) return LinuxError::No64BitEntry;
    uint8_t sectors = field<uint8_t>(kernel, offset::setup_sectors);
    if (sectors == 0) sectors = default_setup_sectors;
    Header header{};
    header.setup_bytes = (std::size_t{sectors} + 1) * sector_bytes;
    if (kernel.size() <= header.setup_bytes + entry_64_bit) return LinuxError::Truncated;
    header.header_end = offset::signature + field<uint8_t>(kernel, offset::jump_length);
    header.alignment = field<uint32_t>(kernel, offset::alignment);
    header.relocatable = field<uint8_t>(kernel, offset::relocatable) != 0;
    header.preferred_address = field<uint64_t>(kernel, offset::preferred_address);
    header.init_size = field<uint32_t>(kernel, offset::init_size);
    header.initrd_limit = uint64_t{field<uint32_t>(kernel, offset::initrd_limit)} + 1;
    header.command_line_size = field<uint32_t>(kernel, offset::command_line_size);
    const uint64_t payload = kernel.size() - header.setup_bytes;
    if (header.init_size < payload) header.init_size = payload;
    const bool sane = is_power_of_two(header.alignment) && header.alignment >= page_size_bytes &&
                      header.preferred_address >= Layout::high_ram && header.preferred_address < four_gib &&
                      header.header_end >= offset::header_end && header.header_end <= offset::e820_table;
    if (!sane) return LinuxError::BadHeader;
    return header;
}

/// Where the kernel goes: where it prefers, or else, if it can be moved, to the lowest aligned address that has room.
std::optional<uint64_t> place_kernel(const GuestMemory& memory, const Header& header) {
    if (memory.find(GuestPhysicalAddress{header.preferred_address}, header.init_size) != nullptr) {
        return header.preferred_address;
    }
    if (!header.relocatable) return std::nullopt;
    for (const RamBlock& block : memory.blocks()) {
        const uint64_t start = block.start.value() > Layout::high_ram ? block.start.value() : uint64_t{Layout::high_ram};
        const uint64_t candidate = align_up(start, header.alignment);
        if (candidate + header.init_size > four_gib) continue;
        if (memory.find(GuestPhysicalAddress{candidate}, header.init_size) != nullptr) return candidate;
    }
    return std::nullopt;
}

/// As high as the kernel allows, so that it is out of the way, and not where the kernel unpacks itself.
std::optional<uint64_t> place_initrd(const GuestMemory& memory, const Header& header, uint64_t kernel, uint64_t size) {
    std::optional<uint64_t> best;
    const uint64_t limit = header.initrd_limit < four_gib ? header.initrd_limit : four_gib;
    const auto consider = [&](uint64_t start, uint64_t end) {
        if (end > limit) end = limit;
        if (start >= end || size > end - start) return;
        const uint64_t candidate = align_down(end - size, page_size_bytes);
        if (candidate >= start && (!best || candidate > *best)) best = candidate;
    };
    const uint64_t kernel_end = kernel + header.init_size;
    for (const RamBlock& block : memory.blocks()) {
        const uint64_t start = block.start.value() > Layout::high_ram ? block.start.value() : uint64_t{Layout::high_ram};
        const uint64_t end = block.start.value() + block.size_bytes;
        if (kernel >= start && kernel_end <= end) {
            consider(start, kernel);
            consider(kernel_end, end);
        } else {
            consider(start, end);
        }
    }
    return best;
}

bool write_page_tables(const GuestMemory& memory) {
    const uint64_t root = Layout::page_tables;
    const uint64_t pointers = root + page_size_bytes;
    const uint64_t directories = pointers + page_size_bytes;
    static_assert(Layout::page_tables + (2 + identity_directories) * page_size_bytes <= Layout::page_tables_end);
    bool ok = memory.fill_zero(GuestPhysicalAddress{root}, Layout::page_tables_end - root);
    ok = ok && memory.write_value(GuestPhysicalAddress{root}, pointers | table_entry);
    for (uint64_t index = 0; index < identity_directories; ++index) {
        const uint64_t directory = directories + index * page_size_bytes;
        ok = ok && memory.write_value(GuestPhysicalAddress{pointers + index * 8}, directory | table_entry);
        for (uint64_t entry = 0; entry < 512; ++entry) {
            const uint64_t page = (index * 512 + entry) * large_page_bytes;
            ok = ok && memory.write_value(GuestPhysicalAddress{directory + entry * 8}, page | large_page);
        }
    }
    return ok;
}

bool write_boot_parameters(const GuestMemory& memory, const LinuxImage& image, const Header& header, uint64_t kernel,
                           uint64_t initrd, GuestPhysicalAddress acpi_root) {
    std::byte* page = memory.find(GuestPhysicalAddress{Layout::boot_parameters}, boot_parameters_bytes);
    if (page == nullptr) return false;
    const std::span<std::byte> parameters{page, boot_parameters_bytes};
    __builtin_memset(page, 0, boot_parameters_bytes);
    const std::size_t header_bytes = header.header_end - offset::setup_sectors;
    if (header.header_end > image.kernel.size()) return false;
    __builtin_memcpy(page + offset::setup_sectors, image.kernel.data() + offset::setup_sectors, header_bytes);
    set_field(parameters, offset::acpi_root, acpi_root.value());
    set_field(parameters, offset::video_mode, normal_video);
    set_field(parameters, offset::loader_type, unknown_loader);
    const uint8_t load_flags = field<uint8_t>(parameters, offset::load_flags);
    set_field(parameters, offset::load_flags, static_cast<uint8_t>(load_flags | flag_loaded_high));
    set_field(parameters, offset::code_start, static_cast<uint32_t>(kernel));
    set_field(parameters, offset::initrd_address, static_cast<uint32_t>(initrd));
    set_field(parameters, offset::initrd_size, static_cast<uint32_t>(image.initrd.size()));
    set_field(parameters, offset::command_line, static_cast<uint32_t>(Layout::command_line));
    const E820Map map = make_e820(memory);
    set_field(parameters, offset::e820_count, static_cast<uint8_t>(map.size()));
    for (std::size_t index = 0; index < map.size(); ++index) {
        set_field(parameters, offset::e820_table + index * sizeof(E820Entry), map[index]);
    }
    return true;
}

bool write_command_line(const GuestMemory& memory, std::string_view text) {
    const GuestPhysicalAddress place{Layout::command_line};
    return memory.write(place, std::as_bytes(std::span{text})) && memory.write_value(place + text.size(), uint8_t{0});
}

}  // namespace

Result<LinuxEntry, LinuxError> load_linux(const GuestMemory& memory, const LinuxImage& image,
                                          GuestPhysicalAddress acpi_root) {
    const Header header = TRY(read_header(image.kernel));
    const uint64_t command_line_limit =
        header.command_line_size < Layout::command_line_bytes ? header.command_line_size : Layout::command_line_bytes - 1;
    if (image.command_line.size() > command_line_limit) return LinuxError::CommandLineTooLong;
    const auto kernel = place_kernel(memory, header);
    if (!kernel) return LinuxError::KernelDoesNotFit;
    uint64_t initrd = 0;
    if (!image.initrd.empty()) {
        const auto place = place_initrd(memory, header, *kernel, image.initrd.size());
        if (!place || image.initrd.size() > UINT32_MAX) return LinuxError::InitrdDoesNotFit;
        initrd = *place;
        if (!memory.write(GuestPhysicalAddress{initrd}, image.initrd)) return LinuxError::InitrdDoesNotFit;
    }
    if (!memory.write(GuestPhysicalAddress{*kernel}, image.kernel.subspan(header.setup_bytes))) {
        return LinuxError::KernelDoesNotFit;
    }
    const bool low = memory.write(GuestPhysicalAddress{Layout::gdt}, std::as_bytes(std::span{descriptors})) &&
                     write_page_tables(memory) && write_command_line(memory, image.command_line) &&
                     write_boot_parameters(memory, image, header, *kernel, initrd, acpi_root);
    if (!low) return LinuxError::NoLowMemory;
    return LinuxEntry{.instruction = GuestPhysicalAddress{*kernel + entry_64_bit},
                      .boot_parameters = GuestPhysicalAddress{Layout::boot_parameters},
                      .page_table = GuestPhysicalAddress{Layout::page_tables},
                      .descriptor_table = GuestPhysicalAddress{Layout::gdt},
                      .descriptor_table_limit = sizeof(descriptors) - 1,
                      .code_selector = code_selector,
                      .data_selector = data_selector,
                      .task_selector = task_selector,
                      .kernel = GuestPhysicalAddress{*kernel},
                      .initrd = GuestPhysicalAddress{initrd}};
}

std::string_view describe(LinuxError error) {
    switch (error) {
        case LinuxError::NoKernel: return "there is no kernel: the virtual machine needs a Linux bzImage";
        case LinuxError::TooSmall: return "the kernel file is too small for a Linux bzImage: it ends within its header";
        case LinuxError::NotLinux: return "the kernel file is not a Linux bzImage: the signature HdrS is missing at offset 514";
        case LinuxError::OldProtocol:
            return "the kernel is too old: its boot protocol must be 2.12 or newer (Linux 3.8 or newer)";
        case LinuxError::No64BitEntry: return "the kernel has no 64-bit entry point: it must be built for x86-64";
        case LinuxError::Truncated: return "the kernel file is truncated: it ends within its set-up code";
        case LinuxError::BadHeader:
            return "the kernel's header is broken: alignment must be a power of two of at least 4096, the load address "
                   "between 1 MiB and 4 GiB";
        case LinuxError::KernelDoesNotFit:
            return "the kernel does not fit into the virtual machine's memory: give it more (Debian's kernel needs 128 MiB)";
        case LinuxError::InitrdDoesNotFit:
            return "the initrd does not fit into the virtual machine's memory beside the kernel: give it more memory";
        case LinuxError::CommandLineTooLong:
            return "the kernel command line is too long: 4095 bytes are allowed, and what the kernel itself accepts";
        case LinuxError::NoLowMemory: return "the virtual machine has no memory below 640 KiB, which booting Linux needs";
        case LinuxError::Count: break;
    }
    return "unknown error";
}

}  // namespace bulkhead::vmm
