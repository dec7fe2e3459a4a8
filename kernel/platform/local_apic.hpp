// SPDX-License-Identifier: Apache-2.0
// The local APIC: as x2APIC (MSRs) where the CPU has it, else as xAPIC (memory). Each function acts on the CPU that
// runs it. The mode is chosen once, on the bootstrap processor.
#pragma once

#include "hw/x86/apic.hpp"
#include "kernel/arch/x86_64/cpu.hpp"

namespace bulkhead::kernel {

class LocalApic {
  public:
    /// Chooses the mode; `address` is where the xAPIC registers are.
    static void choose_mode(PhysicalAddress address);
    /// Enables the APIC of this CPU, everything masked. Refuses the machine if it cannot be used.
    static void enable();

    static uint32_t id();
    /// APIC IDs above this cannot be addressed.
    static uint32_t highest_id();

    static uint32_t read(x86::ApicRegister reg);
    static void write(x86::ApicRegister reg, uint32_t value);
    static void end_of_interrupt() { write(x86::ApicRegister::EndOfInterrupt, 0); }

    static void send(uint32_t apic_id, x86::ApicDelivery delivery, uint8_t vector,
                     x86::ApicShorthand shorthand = x86::ApicShorthand::None);
    /// For panic: does nothing before the mode is chosen.
    static void send_non_maskable_to_others();
};

}  // namespace bulkhead::kernel
