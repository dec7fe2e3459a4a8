// SPDX-License-Identifier: Apache-2.0
// Writes a byte to each of 64 ports, twice with a report between.
#include "guests/minimal/guest.inc"

.macro ring_all
    mov $0x1000, %edx
1:  out %al, %dx
    inc %edx
    cmp $0x1040, %edx
    jne 1b
.endm

    ring_all
    report $1
    ring_all
    finish
