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
    static bool is_x2apic();
    /// APIC IDs above this cannot be addressed.
    static uint32_t highest_id();

    static void end_of_interrupt();

    static void send(const Cpu& target, uint8_t vector);
    /// For panic: does nothing before the APIC is enabled.
    static void send_non_maskable_to_others();
    static void send_init(uint32_t apic_id);
    static void send_startup(uint32_t apic_id, PhysicalAddress page);

    /// Timer hardware for timer.cpp.
    static void set_timer_mode(x86::ApicTimerMode mode, uint8_t vector, bool masked);
    static void set_timer_count(uint32_t count);
    static uint32_t timer_count();
};

}  // namespace bulkhead::kernel
