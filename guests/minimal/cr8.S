// SPDX-License-Identifier: Apache-2.0
// CR8 holds back interrupts that are not above it, without an exit.
#include "guests/minimal/guest.inc"

    gate 0x45, handler
    load_idt
    mov $4, %eax
    mov %rax, %cr8
    mov %cr8, %rax
    out %eax, $REPORT_PORT
    report $1               // the monitor posts 0x45
    sti
    nop
    report $2               // not yet
    mov $3, %eax
    mov %rax, %cr8          // now
    nop
    report $3
    finish
handler:
    begin_handler
    report $0x45
    end_handler
