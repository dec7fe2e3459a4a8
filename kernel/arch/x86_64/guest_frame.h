// SPDX-License-Identifier: Apache-2.0
// What assembly and C++ agree on about entering guests. C++ checks it in vcpu_hardware.hpp.
#pragma once

// GuestFrame: 16 registers by number, the stack to continue on.
#define GUEST_REGISTERS_SIZE 128
#define GUEST_FRAME_STACK 128
#define GUEST_RCX 8
#define GUEST_RDX 16
#define GUEST_RBX 24
#define GUEST_CR2 32

#ifdef __ASSEMBLER__

// From the frame's end (RSP) downwards. The slot of RSP, which VMCS and VMCB hold, is for CR2 on VT-x.
.macro save_guest_registers with_cr2
    push %r15
    push %r14
    push %r13
    push %r12
    push %r11
    push %r10
    push %r9
    push %r8
    push %rdi
    push %rsi
    push %rbp
    .if \with_cr2
    mov %cr2, %rbp                      // MOV changes no flags: those of a failed entry stay
    .endif
    push %rbp
    push %rbx
    push %rdx
    push %rcx
    push %rax
.endm

.macro restore_guest_registers_from_rcx
    pop %rdx
    pop %rbx
    pop %rbp                            // the slot of RSP
    pop %rbp
    pop %rsi
    pop %rdi
    pop %r8
    pop %r9
    pop %r10
    pop %r11
    pop %r12
    pop %r13
    pop %r14
    pop %r15
.endm

#endif
