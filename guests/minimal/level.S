// SPDX-License-Identifier: Apache-2.0
// The EOI of a level-triggered vector is an exit; that of an edge-triggered one is none.
#include "guests/minimal/guest.inc"

    gate 0x40, level
    gate 0x41, edge
    load_idt
    report $1               // the monitor posts 0x40 as level and 0x41 as edge
    sti
    nop
    nop
    nop
    cli
    report $2
    finish
level:
    report $0x40
    end_of_interrupt
    report $0x42
    iretq
edge:
    report $0x41
    end_of_interrupt
    iretq
