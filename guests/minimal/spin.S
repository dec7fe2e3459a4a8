// SPDX-License-Identifier: Apache-2.0
// Spins until the monitor moves it on.
#include "guests/minimal/guest.inc"

    sti                     // no interrupt of the guest's own comes
    report $1
1:  incq RESULTS
    jmp 1b
2:  report $2
    finish
