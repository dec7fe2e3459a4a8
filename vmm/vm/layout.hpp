// SPDX-License-Identifier: Apache-2.0
// Where things lie in a guest of profile `micro`: one table, from which e820, the ACPI tables and the devices are made.
#pragma once

#include <cstdint>

#include "base/address.hpp"

namespace bulkhead::vmm {

struct Layout {
    // Low memory. What the loader writes here the guest may reuse once it has started.
    static constexpr uint64_t gdt = 0x1000;
    static constexpr uint64_t boot_parameters = 0x2000;  ///< Linux's "zero page"
    static constexpr uint64_t page_tables = 0x4000;      ///< one PML4, one PDPT, four PDs
    static constexpr uint64_t page_tables_end = 0xa000;
    static constexpr uint64_t command_line = 0x10000;
    static constexpr uint64_t command_line_bytes = 0x1000;
    static constexpr uint64_t low_ram_end = 0x9fc00;  ///< above: the EBDA of a PC, the VGA window, the tables
    static constexpr uint64_t acpi_tables = 0xe0000;
    static constexpr uint64_t acpi_tables_bytes = 0x10000;
    static constexpr uint64_t reset_vector = 0xffff0;
    static constexpr uint64_t high_ram = 0x100000;

    // Below 4 GiB, above RAM.
    static constexpr uint64_t ram_limit = 0xc0000000;  ///< RAM below 4 GiB ends here at the latest
    static constexpr uint64_t pci_memory = 0xc0000000;
    static constexpr uint64_t pci_memory_bytes = 0x20000000;
    static constexpr uint64_t ecam = 0xe0000000;
    static constexpr uint64_t ecam_bytes = 0x100000;
    static constexpr uint64_t ioapic = 0xfec00000;
    static constexpr uint64_t local_apic = 0xfee00000;
    static constexpr uint64_t ram_above_4g = 0x1'0000'0000;

    // Ports and interrupt lines.
    static constexpr uint16_t com1_port = 0x3f8;
    static constexpr unsigned com1_line = 4;
    static constexpr unsigned event_line = 16;
};

}  // namespace bulkhead::vmm
