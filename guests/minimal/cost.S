// SPDX-License-Identifier: Apache-2.0
// Counts what an exit to the monitor costs, by the time-stamp counter, which counts instructions on the machines the
// figure is taken on: reports the least of 32 rounds of CPUID, without the instructions around it.
#include "guests/minimal/guest.inc"

    mov $-1, %r10d
    mov $32, %esi
1:  rdtsc
    mov %eax, %r8d
    mov $1, %eax
    xor %ecx, %ecx
    cpuid
    rdtsc
    sub %r8d, %eax
    sub $4, %eax                        // MOV, MOV, XOR and one RDTSC
    cmp %r10d, %eax
    cmovb %eax, %r10d
    dec %esi
    jnz 1b
    report %r10d
    finish
