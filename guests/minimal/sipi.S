// SPDX-License-Identifier: Apache-2.0
// Two vCPUs: the first asks for the second (port 0x50), which starts in real mode at 0x2000 and writes a word.
#include "guests/minimal/guest.inc"

    mov $2, %eax
    out %al, $0x50
1:  mov RESULTS, %eax
    cmp $0xabcd, %ax
    je 2f
    pause
    jmp 1b
2:  report $0xabcd
    finish
.org 0x1000                 // guest-physical 0x2000
.code16
    mov $0xf00, %ax
    mov %ax, %ds
    mov %cs, %ax
    mov %ax, 8
    movw $0xabcd, 0
3:  hlt
    jmp 3b
