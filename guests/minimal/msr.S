// SPDX-License-Identifier: Apache-2.0
// RDMSR and WRMSR of registers the kernel leaves to the monitor.
#include "guests/minimal/guest.inc"

    mov $0x12345678, %ecx
    rdmsr
    mov %eax, %r8d
    mov %edx, %r9d
    report %r8d
    report %r9d
    mov $0x40000aaa, %ecx
    mov $0x11112222, %eax
    mov $0x33334444, %edx
    wrmsr
    report $1
    finish
