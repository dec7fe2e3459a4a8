// SPDX-License-Identifier: Apache-2.0
// Interrupt lines: which I/O APIC pin a line is, how it is triggered, which CPU and vector it goes to. One lock, since
// the registers are reached through an index register. The 8259s are masked for good.
#pragma once

#include "kernel/platform/acpi.hpp"

namespace bulkhead::kernel {

class IoApics {
  public:
    /// Masks the 8259s and every pin.
    static void initialize(const AcpiInformation& acpi);

    /// The line of a global interrupt: as overridden; else edge and active high below 16 (ISA), level and active low
    /// above (PCI).
    static InterruptLine line(uint32_t global_interrupt);

    /// Sends the line to `vector` of `target`, masked. False if no I/O APIC has it or cannot address the CPU.
    [[nodiscard]] static bool route(const InterruptLine& line, uint8_t vector, const Cpu& target);
    static void set_masked(uint32_t global_interrupt, bool masked);
};

}  // namespace bulkhead::kernel
