// SPDX-License-Identifier: Apache-2.0
// No IDT at all: an exception ends the vCPU.
#include "guests/minimal/guest.inc"

    lidt 1f(%rip)
    report $1
    ud2
1:  .word 0
    .quad 0
