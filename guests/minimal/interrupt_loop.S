// SPDX-License-Identifier: Apache-2.0
// Sends itself 0x33 for ever, until the word behind RESULTS is set; counts how often it got 0x51 at RESULTS.
#include "guests/minimal/guest.inc"

    gate 0x33, own
    gate 0x51, others
    load_idt
    sti
1:  write_msr X2APIC_SELF_IPI, 0x33
    cmpl $0, RESULTS + 8
    je 1b
    cli
    report $1
    finish
others:
    incl RESULTS
own:
    begin_handler
    end_handler
