// SPDX-License-Identifier: Apache-2.0
// TF: the #DB comes behind an emulated CPUID as behind any other instruction.
#include "guests/minimal/guest.inc"

    gate 1, handler
    load_idt
    xor %ebx, %ebx
    pushf
    orq $0x100, (%rsp)
    popf
    nop
    xor %eax, %eax
stepped:
    cpuid
behind:
    nop
    pushf
    andq $~0x100, (%rsp)
    popf
    finish
handler:
    mov (%rsp), %rcx
    cmp $behind, %rcx
    jne 1f
    push %rax
    report $0x66
    pop %rax
1:  iretq
