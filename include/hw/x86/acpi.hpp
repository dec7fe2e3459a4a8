// SPDX-License-Identifier: Apache-2.0
// ACPI tables the kernel reads: how to find them (RSDP, RSDT, XSDT), the interrupt controllers (MADT) and the
// fixed registers (FADT). ACPI 6.5, chapter 5; all packed, read by copying. What nobody here asks for has no name.
#pragma once

#include <cstddef>
#include "base/bit_field.hpp"

namespace bulkhead::x86::acpi {

struct [[gnu::packed]] RootPointer {
    char signature[8];  // "RSD PTR "
    uint8_t unused_08[7];
    uint8_t revision;  // 0: ACPI 1.0, ends behind `rsdt`
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t unused_32[4];
};
static_assert(sizeof(RootPointer) == 36);
inline constexpr uint64_t old_root_pointer_bytes = 20;

struct [[gnu::packed]] TableHeader {
    char signature[4];
    uint32_t length;
    uint8_t unused_08[28];
};
static_assert(sizeof(TableHeader) == 36);

/// MADT: this, then entries.
struct [[gnu::packed]] Madt {
    TableHeader header;
    uint32_t local_apic_address;
    uint32_t flags;
};

struct [[gnu::packed]] MadtEntry {
    uint8_t type;
    uint8_t length;

    enum : uint8_t { local_apic = 0, io_apic = 1, interrupt_override = 2, local_x2apic = 9 };  // types
};

/// Flags of a processor.
struct ProcessorFlags {
    using Enabled = Bit<0>;
};

struct [[gnu::packed]] MadtLocalApic {
    MadtEntry entry;
    uint8_t processor_uid;
    uint8_t apic_id;
    uint32_t flags;
};
struct [[gnu::packed]] MadtLocalX2Apic {
    MadtEntry entry;
    uint16_t reserved;
    uint32_t apic_id;
    uint32_t flags;
    uint32_t processor_uid;
};
struct [[gnu::packed]] MadtIoApic {
    MadtEntry entry;
    uint8_t id;
    uint8_t reserved;
    uint32_t address;
    uint32_t first_interrupt;
};
struct [[gnu::packed]] MadtInterruptOverride {
    MadtEntry entry;
    uint8_t bus;
    uint8_t source;
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
    uint32_t unused_36;
    uint32_t dsdt;
    uint8_t unused_44[20];
    uint32_t pm1a_control;
    uint32_t pm1b_control;
    uint32_t unused_72;
    uint32_t pm_timer;
    uint8_t unused_80[32];
    uint32_t flags;
};
static_assert(sizeof(Fadt) == 116 && offsetof(Fadt, pm_timer) == 76);
struct FadtFlags {
    using PmTimer32Bits = Bit<8>;
};

}  // namespace bulkhead::x86::acpi
