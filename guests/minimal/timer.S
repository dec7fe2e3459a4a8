// SPDX-License-Identifier: Apache-2.0
// The TSC deadline, absorbed by the kernel where the monitor asked for that.
#include "guests/minimal/guest.inc"

    gate 0x35, handler
    load_idt
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    add $1000000, %rax
    mov %rax, %rdx
    shr $32, %rdx
    mov $0x6e0, %ecx
    wrmsr
    mov $0x6e0, %ecx
    rdmsr
    or %edx, %eax
    setnz %al
    movzbl %al, %eax
    out %eax, $REPORT_PORT
    sti
    hlt
    cli
    mov $0x6e0, %ecx
    rdmsr
    or %edx, %eax
    out %eax, $REPORT_PORT
    finish
handler:
    begin_handler
    report $0x35
    end_handler
