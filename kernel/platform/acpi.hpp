// SPDX-License-Identifier: Apache-2.0
// Finds out from ACPI which processors and interrupt controllers there are, and where the PM timer is. Pure: reads
// physical memory through a function, so the real code runs on the host against made-up tables.
#pragma once

#include "base/static_vector.hpp"
#include "hw/x86/acpi.hpp"
#include "kernel/arch/x86_64/cpu.hpp"

namespace bulkhead::kernel {

/// A global system interrupt (ACPI's number of an I/O APIC pin) and how its line signals.
struct InterruptLine {
    uint32_t global_interrupt;
    bool level;
    bool active_low;
};

struct AcpiInformation {
    StaticVector<uint32_t, max_cpus> apic_ids;  // of the processors that can be started, in firmware's order
    unsigned dropped_processors = 0;
    StaticVector<x86::acpi::MadtIoApic, 8> io_apics;
    StaticVector<InterruptLine, 16> overrides;  // ISA interrupts not wired one to one, edge-triggered, active high
    PhysicalAddress local_apic{0xfee0'0000};
    uint16_t pm_timer_port = 0;
    bool pm_timer_32_bits = false;
    PhysicalAddress root_table;  // XSDT, or RSDT; 0: none
};

/// Reads all tables that `root_pointer` leads to.
void parse_acpi(Bytes root_pointer, x86::acpi::PhysicalView view, AcpiInformation& result);

}  // namespace bulkhead::kernel
