// SPDX-License-Identifier: Apache-2.0
// Finds out from ACPI which processors and interrupt controllers there are, where the PM timer is and how to switch
// off. Pure: reads physical memory through a function, so the real code runs on the host against made-up tables. All
// of it is hostile input: lengths and checksums are checked, what does not hold is skipped.
#pragma once

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/platform/boot_information.hpp"
#include "kernel/platform/byte_reader.hpp"
#include "kernel/platform/halt.hpp"

namespace bulkhead::kernel {

/// The bytes at a physical address, or none if they cannot be read.
using PhysicalView = Bytes (*)(PhysicalAddress address, std::size_t size);

struct IoApicDescription {
    PhysicalAddress address;
    uint32_t first_interrupt;
};

/// An ISA interrupt that is not wired one to one, edge-triggered, active high.
struct InterruptOverride {
    uint8_t source;
    uint32_t global_interrupt;
    bool active_low;
    bool level;
};

struct AcpiInformation {
    StaticVector<uint32_t, max_cpus> apic_ids;  // of the processors that can be started, in firmware's order
    unsigned dropped_processors = 0;
    StaticVector<IoApicDescription, 8> io_apics;
    StaticVector<InterruptOverride, 16> overrides;
    PhysicalAddress local_apic{0xfee0'0000};
    uint16_t pm_timer_port = 0;
    bool pm_timer_32_bits = false;
    PowerOff power_off;
    PhysicalAddress root_table;  // XSDT, or RSDT; 0: none
};

/// Where the BIOS put the root pointer (ACPI 6.5, 5.2.5.1), or 0.
PhysicalAddress find_acpi_root_pointer(PhysicalView view);
/// Reads all tables that `root_pointer` leads to.
void parse_acpi(Bytes root_pointer, PhysicalView view, AcpiInformation& result);

}  // namespace bulkhead::kernel
