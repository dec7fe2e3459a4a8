// SPDX-License-Identifier: Apache-2.0
// The TPR, through its MSR, holds back interrupts that are not above it; CR8 shows it.
#include "guests/minimal/guest.inc"

    gate 0x45, handler
    load_idt
    write_msr X2APIC_TPR, 0x50
    mov %cr8, %rax
    out %eax, $REPORT_PORT
    report $1               // the monitor posts 0x45
    sti
    nop
    report $4               // not yet
    write_msr X2APIC_TPR, 0x30
    nop                     // now
    report $5
    mov $X2APIC_TPR, %ecx
    rdmsr
    out %eax, $REPORT_PORT
    finish
handler:
    begin_handler
    report $0x45
    end_handler
