// SPDX-License-Identifier: Apache-2.0
// Vectors, the interrupt descriptor table, and what happens to interrupts and exceptions. The table is written once at
// boot and is read-only afterwards. Interrupts that strike in ring 0 (an idle CPU, or between the steps of a long
// operation) only take note; what follows from them happens when the kernel is left.
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

/// Serves one external interrupt, wherever it came from: ring 3, ring 0, or a guest.
void external_interrupt_in_kernel(uint64_t vector);

}  // namespace bulkhead::kernel
