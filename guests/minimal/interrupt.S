// SPDX-License-Identifier: Apache-2.0
// Interrupts posted while IF is clear wait; then they come by priority; one of a lower class waits for the EOI.
#include "guests/minimal/guest.inc"

    gate 0x31, low
    gate 0x51, high
    load_idt
    cli
    report $1               // the monitor posts 0x31 and 0x51
    nop
    report $2
    sti
    nop                     // 0x51 comes here, then 0x31
    nop
    cli
    report $3
    // A window: STI is directly followed by a CPUID exit.
    report $4               // posts 0x31 again
    sti
    xor %eax, %eax
    cpuid
    nop
    cli
    report $5
    finish
high:
    begin_handler
    report $0x51
    sti                     // 0x31 is pending, of a lower class: it must not come
    nop
    nop
    cli
    report $0x52
    end_handler
low:
    begin_handler
    report $0x31
    end_handler
