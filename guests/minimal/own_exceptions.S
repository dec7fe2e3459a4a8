// SPDX-License-Identifier: Apache-2.0
// Exceptions of the guest's own are its own business: none of them exits.
#include "guests/minimal/guest.inc"

    gate 0, divide
    gate 6, opcode
    gate 14, page
    gate 3, breakpoint
    load_idt
    xor %ecx, %ecx
    xor %edx, %edx
    mov $1, %eax
    div %ecx
    ud2
    int3
    mov 0x40000000, %eax    // beyond the page tables: 7 bytes
    finish
divide:
    report $0x100
    addq $2, (%rsp)
    iretq
opcode:
    report $0x106
    addq $2, (%rsp)
    iretq
breakpoint:
    report $0x103
    iretq
page:
    mov %cr2, %rax
    out %eax, $REPORT_PORT
    add $8, %rsp
    addq $7, (%rsp)
    iretq
