// SPDX-License-Identifier: Apache-2.0
// CPUID for ever: for monitors that come and go.
#include "guests/minimal/guest.inc"

    mov $2000, %esi
1:  mov %esi, %eax
    cpuid
    cmp %esi, %eax          // the monitor answers with the leaf
    jne 2f
    dec %esi
    jnz 1b
    report $1
    finish
2:  report $0xbad
    finish
