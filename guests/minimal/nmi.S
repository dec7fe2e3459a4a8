// SPDX-License-Identifier: Apache-2.0
// An NMI comes with IF clear; the next one waits for the IRET of the first.
#include "guests/minimal/guest.inc"

    gate 2, handler
    load_idt
    cli
    xor %ebx, %ebx
    report $1               // the monitor posts an NMI
    nop
    report $2
    finish
handler:
    push %rax
    inc %ebx
    report $0x20
    cmp $1, %ebx
    jne 1f
    report $0x21            // the monitor posts another
    nop
    report $0x22
1:  pop %rax
    iretq
