// SPDX-License-Identifier: Apache-2.0
// IN and OUT of all sizes; a narrow IN keeps the rest of RAX, a 32-bit one clears it.
#include "guests/minimal/guest.inc"

    mov $0x1122334455667788, %rax
    out %al, $0x10
    mov $0x1234, %dx
    out %ax, %dx
    out %eax, %dx
    mov $-1, %rax
    in $0x10, %al
    mov %rax, %r8
    mov $-1, %rax
    in %dx, %ax
    mov %rax, %r9
    mov $-1, %rax
    in %dx, %eax
    mov %rax, %r10
    report %r8d
    shr $32, %r8
    report %r8d
    report %r9d
    shr $32, %r9
    report %r9d
    report %r10d
    shr $32, %r10
    report %r10d
    finish
