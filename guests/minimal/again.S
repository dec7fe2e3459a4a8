// SPDX-License-Identifier: Apache-2.0
// An interrupt that comes while IF is clear is taken behind STI without an exit; until the word behind RESULTS is set,
// its handler does not cause one either. It ends when the handler, which counts at RESULTS, has run twice.
#include "guests/minimal/guest.inc"

    gate 0x31, handler
    load_idt
    cli
    report $1               // the monitor posts 0x31
    nop
    sti
1:  pause
    cmpl $2, RESULTS
    jne 1b
    cli
    report $2
    finish
handler:
    begin_handler
    incl RESULTS
2:  pause
    cmpl $0, RESULTS + 8
    je 2b
    end_handler
