// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/aml.hpp"

#include "base/result.hpp"

namespace bulkhead::vmm {
namespace {

enum Opcode : uint8_t {
    Zero = 0x00,
    One = 0x01,
    NameOp = 0x08,
    BytePrefix = 0x0a,
    WordPrefix = 0x0b,
    DwordPrefix = 0x0c,
    StringPrefix = 0x0d,
    QwordPrefix = 0x0e,
    ScopeOp = 0x10,
    BufferOp = 0x11,
    PackageOp = 0x12,
    MethodOp = 0x14,
    ExtendedPrefix = 0x5b,
    RootCharacter = 0x5c,
    LocalFirst = 0x60,
    StoreOp = 0x70,
    AndOp = 0x7b,
    NotifyOp = 0x86,
    IfOp = 0xa0,
    ExtendedRegion = 0x80,
    ExtendedField = 0x81,
    ExtendedDevice = 0x82,
};
enum Descriptor : uint8_t {
    IoPorts = 0x47,
    EndTag = 0x79,
    Memory32Fixed = 0x86,
    DwordSpace = 0x87,
    WordSpace = 0x88,
    ExtendedInterrupt = 0x89,
};
constexpr uint8_t space_memory = 0, space_io = 1, space_bus = 2;
constexpr uint8_t region_system_io = 1;
constexpr uint8_t window_fixed = 0x0c;  // minimum and maximum fixed, positive decode, producer
constexpr uint8_t memory_read_write = 0x01;
constexpr uint8_t io_entire_range = 0x03;
constexpr uint8_t field_dword_access = 3, field_byte_access = 1;

}  // namespace

void AmlWriter::byte(uint8_t value) {
    if (size_ >= buffer_.size()) {
        overflowed_ = true;
        return;
    }
    buffer_[size_++] = std::byte{value};
}

void AmlWriter::name_segment(std::string_view segment) {
    for (std::size_t index = 0; index < 4; ++index) {
        byte(static_cast<uint8_t>(index < segment.size() ? segment[index] : '_'));
    }
}

/// One segment, or one below the root.
void AmlWriter::path(std::string_view path) {
    if (!path.empty() && path.front() == '\\') {
        byte(RootCharacter);
        path.remove_prefix(1);
    }
    name_segment(path);
}

AmlWriter::Open AmlWriter::open() { return {size_}; }

void AmlWriter::insert(std::size_t position, std::span<const uint8_t> bytes) {
    if (bytes.size() > buffer_.size() - size_ || position > size_) {
        overflowed_ = true;
        return;
    }
    __builtin_memmove(buffer_.data() + position + bytes.size(), buffer_.data() + position, size_ - position);
    __builtin_memcpy(buffer_.data() + position, bytes.data(), bytes.size());
    size_ += bytes.size();
}

/// Package length (20.2.4): counts itself; 6 bits in one byte, or 4 bits and one to three further bytes.
void AmlWriter::close(Open open) {
    const std::size_t content = size_ - open.position;
    if (content + 1 < 64) {
        const uint8_t length = static_cast<uint8_t>(content + 1);
        insert(open.position, {&length, 1});
        return;
    }
    const unsigned extra = content + 2 < 1u << 12 ? 1 : content + 3 < 1u << 20 ? 2 : 3;
    const std::size_t total = content + 1 + extra;
    std::array<uint8_t, 4> bytes{};
    bytes[0] = static_cast<uint8_t>(extra << 6 | (total & 0xf));
    for (unsigned index = 0; index < extra; ++index) bytes[1 + index] = static_cast<uint8_t>(total >> (4 + 8 * index));
    insert(open.position, std::span{bytes}.first(1 + extra));
}

AmlWriter::Open AmlWriter::scope(std::string_view where) {
    byte(ScopeOp);
    const Open opened = open();
    path(where);
    return opened;
}

AmlWriter::Open AmlWriter::device(std::string_view name) {
    byte(ExtendedPrefix);
    byte(ExtendedDevice);
    const Open opened = open();
    name_segment(name);
    return opened;
}

AmlWriter::Open AmlWriter::method(std::string_view name, unsigned arguments, bool serialized) {
    byte(MethodOp);
    const Open opened = open();
    name_segment(name);
    byte(static_cast<uint8_t>(arguments | (serialized ? 8 : 0)));
    return opened;
}

AmlWriter::Open AmlWriter::field(std::string_view region, bool dword_access) {
    byte(ExtendedPrefix);
    byte(ExtendedField);
    const Open opened = open();
    name_segment(region);
    byte(dword_access ? field_dword_access : field_byte_access);
    return opened;
}

AmlWriter::Open AmlWriter::package(unsigned elements) {
    byte(PackageOp);
    const Open opened = open();
    byte(static_cast<uint8_t>(elements));
    return opened;
}

AmlWriter::Open AmlWriter::if_true() {
    byte(IfOp);
    return open();
}

void AmlWriter::name(std::string_view name) {
    byte(NameOp);
    path(name);
}

void AmlWriter::integer(uint64_t value) {
    if (value <= 1) {
        byte(value == 0 ? Zero : One);
    } else if (value <= UINT8_MAX) {
        byte(BytePrefix);
        byte(static_cast<uint8_t>(value));
    } else if (value <= UINT16_MAX) {
        byte(WordPrefix);
        little_endian(static_cast<uint16_t>(value));
    } else if (value <= UINT32_MAX) {
        byte(DwordPrefix);
        little_endian(static_cast<uint32_t>(value));
    } else {
        byte(QwordPrefix);
        little_endian(value);
    }
}

void AmlWriter::string(std::string_view text) {
    byte(StringPrefix);
    for (char character : text) byte(static_cast<uint8_t>(character));
    byte(0);
}

/// Three letters of five bits and four hexadecimal digits, as a big-endian number (19.3.4).
void AmlWriter::eisa_id(std::string_view id) {
    ASSERT(id.size() == 7);
    const auto letter = [&](unsigned index) { return static_cast<uint32_t>(id[index] - '@') & 0x1f; };
    const auto digit = [&](unsigned index) {
        const char character = id[index];
        return static_cast<uint32_t>(character <= '9' ? character - '0' : character - 'A' + 10);
    };
    const uint32_t number = letter(0) << 26 | letter(1) << 21 | letter(2) << 16 | digit(3) << 12 | digit(4) << 8 |
                            digit(5) << 4 | digit(6);
    byte(DwordPrefix);
    little_endian(__builtin_bswap32(number));
}

void AmlWriter::io_region(std::string_view name, uint16_t port, uint8_t bytes) {
    byte(ExtendedPrefix);
    byte(ExtendedRegion);
    name_segment(name);
    byte(region_system_io);
    integer(port);
    integer(bytes);
}

void AmlWriter::field_element(std::string_view name, unsigned bits) {
    ASSERT(bits < 64);
    name_segment(name);
    byte(static_cast<uint8_t>(bits));
}

void AmlWriter::local(unsigned number) { byte(static_cast<uint8_t>(LocalFirst + number)); }
void AmlWriter::store() { byte(StoreOp); }
void AmlWriter::bitwise_and() { byte(AndOp); }
void AmlWriter::null_target() { byte(Zero); }
void AmlWriter::notify() { byte(NotifyOp); }

AmlWriter::Resources AmlWriter::resources() {
    byte(BufferOp);
    const Open buffer = open();
    const std::size_t size_position = size_;
    byte(WordPrefix);
    little_endian(uint16_t{0});
    return {buffer, size_position, size_};
}

void AmlWriter::close(Resources resources) {
    byte(EndTag);
    byte(0);  // no checksum
    if (overflowed_) return;
    const std::size_t bytes = size_ - resources.content;
    buffer_[resources.size_position + 1] = static_cast<std::byte>(bytes);
    buffer_[resources.size_position + 2] = static_cast<std::byte>(bytes >> 8);
    close(resources.buffer);
}

void AmlWriter::io_ports(uint16_t first, uint8_t count) {
    byte(IoPorts);
    byte(1);  // decodes 16 bits
    little_endian(first);
    little_endian(first);
    byte(1);
    byte(count);
}

void AmlWriter::io_window(uint16_t first, uint16_t last) {
    byte(WordSpace);
    little_endian(uint16_t{13});
    byte(space_io);
    byte(window_fixed);
    byte(io_entire_range);
    for (const uint16_t value : {uint16_t{0}, first, last, uint16_t{0}, static_cast<uint16_t>(last - first + 1)}) {
        little_endian(value);
    }
}

void AmlWriter::bus_numbers(uint16_t first, uint16_t last) {
    byte(WordSpace);
    little_endian(uint16_t{13});
    byte(space_bus);
    byte(window_fixed);
    byte(0);
    for (const uint16_t value : {uint16_t{0}, first, last, uint16_t{0}, static_cast<uint16_t>(last - first + 1)}) {
        little_endian(value);
    }
}

void AmlWriter::memory_fixed(uint32_t start, uint32_t size_bytes) {
    byte(Memory32Fixed);
    little_endian(uint16_t{9});
    byte(memory_read_write);
    little_endian(start);
    little_endian(size_bytes);
}

void AmlWriter::memory_window(uint32_t first, uint32_t last) {
    byte(DwordSpace);
    little_endian(uint16_t{23});
    byte(space_memory);
    byte(window_fixed);
    byte(memory_read_write);
    for (const uint32_t value : {uint32_t{0}, first, last, uint32_t{0}, last - first + 1}) little_endian(value);
}

void AmlWriter::interrupt(uint32_t line, bool level) {
    byte(ExtendedInterrupt);
    little_endian(uint16_t{6});
    byte(static_cast<uint8_t>(1 | (level ? 0 : 2)));  // consumer; edge or level; active high; exclusive
    byte(1);
    little_endian(line);
}

}  // namespace bulkhead::vmm
