// SPDX-License-Identifier: Apache-2.0
// Rings doorbell 0x80 in a loop and counts at RESULTS until the word behind is set. While the third word is set, each
// round waits until the fourth has the count: somebody saw the ring. The second vCPU (0x2000) counts at RESULTS + 64.
#include "guests/minimal/guest.inc"

.macro ring_for_ever base
    mov $\base, %edi
    sti                         // no interrupt of the guest's own comes
1:  incq (%rdi)
    out %al, $0x80
    cmpl $0, 16(%rdi)
    je 3f
    mov (%rdi), %rcx
2:  pause
    cmpl $0, RESULTS + 8
    jne 4f
    cmp %rcx, 24(%rdi)
    jne 2b
3:  cmpl $0, RESULTS + 8
    je 1b
4:
.endm

    ring_for_ever RESULTS
    finish
.org 0x1000
    ring_for_ever RESULTS + 64
9:  cli
    hlt
    jmp 9b
