// SPDX-License-Identifier: Apache-2.0
// CPUID: both inputs reach the monitor, all four results come back, upper halves are cleared.
#include "guests/minimal/guest.inc"

    mov $-1, %rax
    mov $-1, %rbx
    mov $-1, %rcx
    mov $-1, %rdx
    mov $0x40000010, %eax
    mov $7, %ecx
    cpuid
    mov %rax, %r8
    mov %rbx, %r9
    mov %rcx, %r10
    mov %rdx, %r11
    report %r8d
    report %r9d
    report %r10d
    report %r11d
    or %r8, %r9
    or %r9, %r10
    or %r10, %r11
    shr $32, %r11
    report %r11d
    // A loop of them, for the sequence numbers.
    mov $100, %esi
1:  mov $1, %eax
    cpuid
    dec %esi
    jnz 1b
    finish
