// SPDX-License-Identifier: Apache-2.0
// Spins with interrupts disabled: the host must get its CPU back all the same.
#include "guests/minimal/guest.inc"

    report $1
1:  incq RESULTS
    jmp 1b
2:  report $2
    finish
