// SPDX-License-Identifier: Apache-2.0
// ACPI tables the kernel and init read: how to find them (RSDP, RSDT, XSDT), the interrupt controllers (MADT) and the
// fixed registers (FADT). ACPI 6.5, chapter 5; all packed, read by copying. What nobody here asks for has no name. All
// of it is hostile input: lengths and checksums are checked, what does not hold is skipped.
#pragma once

#include <algorithm>
#include <string_view>

#include "base/address.hpp"
#include "base/bit_field.hpp"
#include "base/byte_reader.hpp"

namespace bulkhead::x86::acpi {

/// The bytes at a physical address, or none if they cannot be read.
using PhysicalView = Bytes (*)(PhysicalAddress address, std::size_t size);

/// Of ACPI 1.0. Since revision 2 more follows, the address of the XSDT among it.
struct [[gnu::packed]] RootPointer {
    char signature[8];  // "RSD PTR "
    uint8_t unused_08[7], revision;
    uint32_t rsdt;

    static constexpr std::size_t xsdt_offset = 24;
};
static_assert(sizeof(RootPointer) == 20);

struct [[gnu::packed]] TableHeader {
    char signature[4];
    uint32_t length;
    uint8_t unused_08[28];
};
static_assert(sizeof(TableHeader) == 36);

/// MADT: this, then entries.
struct [[gnu::packed]] Madt {
    TableHeader header;
    uint32_t local_apic_address, flags;
};

struct [[gnu::packed]] MadtEntry {
    uint8_t type, length;

    enum : uint8_t { local_apic = 0, io_apic = 1, interrupt_override = 2, local_x2apic = 9 };  // types

    using Enabled = Bit<0>;  // of the flags of a processor
};

struct [[gnu::packed]] MadtLocalApic {
    MadtEntry entry;
    uint8_t processor_uid, apic_id;
    uint32_t flags;
};
struct [[gnu::packed]] MadtLocalX2Apic {
    MadtEntry entry;
    uint16_t reserved;
    uint32_t apic_id, flags, processor_uid;
};
struct [[gnu::packed]] MadtIoApic {
    MadtEntry entry;
    uint8_t id, reserved;
    uint32_t address, first_interrupt;
};
struct [[gnu::packed]] MadtInterruptOverride {
    MadtEntry entry;
    uint8_t bus, source;
    uint32_t global_interrupt;
    uint16_t flags;

    using Polarity = BitField<0, 2>;  // 0: as the bus has it, 1: active high, 3: active low
    using Trigger = BitField<2, 2>;   // 0: as the bus has it, 1: edge, 3: level
    static constexpr uint64_t active_low = 3;
    static constexpr uint64_t level = 3;
};

/// The part of the FADT that exists since ACPI 1.0.
struct [[gnu::packed]] Fadt {
    TableHeader header;
    uint32_t unused_36, dsdt;
    uint8_t unused_44[20];
    uint32_t pm1a_control, pm1b_control, unused_72, pm_timer;
    uint8_t unused_80[32];
    uint32_t flags;

    using PmTimer32Bits = Bit<8>;  // of the flags
};
static_assert(sizeof(Fadt) == 116 && offsetof(Fadt, pm_timer) == 76);

inline bool sums_to_zero(Bytes bytes) {
    uint8_t sum = 0;
    for (const std::byte byte : bytes) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(byte));
    return sum == 0;
}

/// The whole table at `address`, or none if it is not one.
inline Bytes table_at(PhysicalAddress address, PhysicalView view) {
    constexpr std::size_t max_table_bytes = 1u << 20;
    const auto header = read_at<TableHeader>(view(address, sizeof(TableHeader)), 0);
    if (!header || header->length < sizeof(TableHeader) || header->length > max_table_bytes) return {};
    const Bytes table = view(address, header->length);
    return sums_to_zero(table) ? table : Bytes{};
}

/// Whether it is a table, and of this kind.
inline bool is_table(Bytes table, std::string_view signature) {
    const auto header = read_at<TableHeader>(table, 0);
    return header && std::string_view{header->signature, sizeof(header->signature)} == signature;
}

/// Visits the tables that an XSDT or RSDT, which must be one, names; the two differ in the width of their addresses.
template <typename Visitor>
void for_each_table(Bytes root_table, PhysicalView view, Visitor visit) {
    constexpr std::size_t max_tables = 256;
    const std::size_t width = is_table(root_table, "XSDT") ? sizeof(uint64_t) : sizeof(uint32_t);
    const Bytes addresses = root_table.subspan(sizeof(TableHeader));
    for (std::size_t i = 0; i < std::min(max_tables, addresses.size() / width); ++i) {
        uint64_t address = 0;
        __builtin_memcpy(&address, addresses.data() + i * width, width);
        visit(table_at(PhysicalAddress{address}, view));
    }
}

}  // namespace bulkhead::x86::acpi
