// SPDX-License-Identifier: Apache-2.0
// REP OUTSB and INSB: their operands are in memory.
#include "guests/minimal/guest.inc"

    cld
    mov $text, %esi
    mov $5, %ecx
    mov $0x20, %edx
    rep outsb
    mov %esi, %r8d
    sub $text, %r8d
    report %r8d
    report %ecx
    mov $RESULTS, %edi
    mov $4, %ecx
    mov $0x21, %edx
    rep insb
    mov RESULTS, %r8d
    report %r8d
    finish
text:
    .ascii "hello"
