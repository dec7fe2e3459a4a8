// SPDX-License-Identifier: Apache-2.0
// Accesses to guest-physical memory that is not there, or not so: read, write, execute, page walk.
#include "guests/minimal/guest.inc"

    // A page the monitor fills in.
    mov 0x10000008, %r8d
    report %r8d
    // A register of a device: the monitor does the access and moves RIP (labels in the test by order).
    .byte 0xc7, 0x04, 0x25; .long 0x10002000; .long 0xcafe   // movl $0xcafe, 0x10002000: 11 bytes
    report $2
    // Read-only memory: a write faults.
    mov 0x10004000, %r8d
    report %r8d
    .byte 0xc7, 0x04, 0x25; .long 0x10004000; .long 0x1       // 11 bytes, skipped by the monitor
    mov 0x10004000, %r8d
    report %r8d
    // Code that is not there: the monitor puts a RET.
    mov $0x10006000, %eax
    call *%rax
    report $4
    // A page table that is not there: virtual 0x40000000 is walked through 0x10008000.
    movq $(0x10008000 + 3), 0x11008
    mov $0x40000000, %eax
    mov (%rax), %r8d
    report %r8d
    finish
