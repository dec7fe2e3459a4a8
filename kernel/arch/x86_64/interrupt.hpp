// SPDX-License-Identifier: Apache-2.0
// Vectors, the interrupt descriptor table, and what happens to interrupts and exceptions that strike in ring 0. The
// table is written once at boot and is read-only afterwards.
#pragma once

#include "kernel/arch/x86_64/register_frame.hpp"

namespace bulkhead::kernel {

/// Who uses which vector. Larger ones are more urgent (SDM vol. 3A, 11.8.3.1).
struct Vectors {
    static constexpr uint8_t first_external = 0x20;
    static constexpr uint8_t first_device = 0x30;
    static constexpr uint8_t last_device = 0xdf;
    static constexpr uint8_t cross_cpu = 0xe0;
    static constexpr uint8_t timer = 0xf0;
    static constexpr uint8_t error = 0xfe;
    static constexpr uint8_t spurious = 0xff;
};

/// Fills the table; once, before the page tables make it read-only.
void build_interrupt_table();
/// Makes this CPU use it.
void load_interrupt_table();
/// Where it is, for who must load it by other means (VM exits).
uint64_t interrupt_table_address();

/// Serves an external interrupt (interrupt_dispatch.cpp).
void external_interrupt_in_kernel(uint8_t vector);

}  // namespace bulkhead::kernel
