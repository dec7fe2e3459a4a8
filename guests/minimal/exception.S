// SPDX-License-Identifier: Apache-2.0
// Exceptions the monitor injects: with and without error code, with the right return address.
#include "guests/minimal/guest.inc"

    gate 13, protection
    gate 6, opcode
    load_idt
    mov $0x40000000, %eax
first:
    cpuid                   // answered with #GP(0x18)
    report $1
    mov $0x40000001, %eax
second:
    cpuid                   // answered with #UD
    report $2
    finish
protection:
    pop %rax
    out %eax, $REPORT_PORT
    mov (%rsp), %eax
    sub $first, %eax
    out %eax, $REPORT_PORT
    addq $2, (%rsp)
    iretq
opcode:
    mov (%rsp), %eax
    sub $second, %eax
    out %eax, $REPORT_PORT
    addq $2, (%rsp)
    iretq
