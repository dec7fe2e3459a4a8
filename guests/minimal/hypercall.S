// SPDX-License-Identifier: Apache-2.0
// VMCALL or VMMCALL, by vendor; registers reach the monitor, the result comes back.
#include "guests/minimal/guest.inc"

    mov $0x10, %rax
    mov $0x20, %rbx
    mov $0x30, %rcx
    mov $0x40, %rdx
    mov $0x50, %rsi
    cmpl $1, RESULTS
    je 1f
    vmcall
    jmp 2f
1:  vmmcall
2:  report %eax
    finish
