// SPDX-License-Identifier: Apache-2.0
// The self-IPI register, and IRR and ISR as the guest reads them.
#include "guests/minimal/guest.inc"

    gate 0x33, handler
    load_idt
    cli
    write_msr X2APIC_SELF_IPI, 0x33
    mov $0x821, %ecx        // IRR, vectors 20h..3fh
    rdmsr
    out %eax, $REPORT_PORT
    sti
    nop
    cli
    mov $0x821, %ecx
    rdmsr
    out %eax, $REPORT_PORT
    finish
handler:
    mov $0x811, %ecx        // ISR
    rdmsr
    out %eax, $REPORT_PORT
    report $0x33
    end_of_interrupt
    mov $0x811, %ecx
    rdmsr
    out %eax, $REPORT_PORT
    iretq
