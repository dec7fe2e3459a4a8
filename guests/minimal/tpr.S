// SPDX-License-Identifier: Apache-2.0
// TPR, through CR8 and through the MSR, holds back what is not above it.
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
    cli
    write_msr X2APIC_TPR, 0x50
    mov %cr8, %rax
    out %eax, $REPORT_PORT
    report $1
    sti
    nop
    report $4
    write_msr X2APIC_TPR, 0x30
    nop
    report $5
    mov $X2APIC_TPR, %ecx
    rdmsr
    out %eax, $REPORT_PORT
    finish
handler:
    push %rax
    push %rcx
    push %rdx
    report $0x45
    end_of_interrupt
    pop %rdx
    pop %rcx
    pop %rax
    iretq
