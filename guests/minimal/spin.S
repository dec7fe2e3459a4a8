// SPDX-License-Identifier: Apache-2.0
// Spins until the monitor moves it on.
#include "guests/minimal/guest.inc"

    report $1
1:  incq RESULTS
    jmp 1b
2:  report $2
    finish
