// SPDX-License-Identifier: Apache-2.0
// HLT: ended by the timer, by a posted interrupt, and not at all by one that is not accepted.
#include "guests/minimal/guest.inc"

    gate 0x30, handler
    load_idt
    mov $3, %esi
1:  sti
    hlt
    cli
    report $0x100
    dec %esi
    jnz 1b
    finish
handler:
    begin_handler
    report $0x30
    end_handler
