// SPDX-License-Identifier: Apache-2.0
// Interrupts and exceptions: 256 stubs that make every frame look the same, and the ways on from there.
//   ring 3             the CPU pushed into the thread (TSS.RSP0); go on with the stack named behind the frame
//   ring 0             the frame is on the current stack
//   NMI, #DF, #MC      likewise, on stacks of their own (IST): they may strike between any two instructions below
//   #DB                has one too (MOV SS defers it into ring 0); one of ring 3 is moved into the thread
// The kernel runs with IF=0; the CPU clears TF, NT and RF on entry, DF and AC are cleared here.
#include "kernel/arch/x86_64/hot_paths.h"

.section .text.interrupt_entry, "ax"

// Below what the CPU and the stubs push, in the order of RegisterFrame. Then the kernel may not touch user memory,
// whatever AC was: boot makes the NOP a CLAC where the CPU has it (patch_user_access; Intel SDM vol. 2A, CLAC). The
// kernel never opens user memory, so there is no STAC.
.macro save_registers
    .irp register, r11, rcx, rdx, rbp, rax, rdi, rsi, r8, r9, r10, rbx, r12, r13, r14, r15
    push %\register
    .endr
    cld
771:nopl (%rax)                         // three bytes
    .pushsection .user_access_patches, "a"
    .quad 771b
    .popsection
.endm

.macro restore_registers_and_return
    .irp register, r15, r14, r13, r12, rbx, r10, r9, r8, rsi, rdi, rax, rbp, rdx, rcx, r11
    pop %\register
    .endr
    add $16, %rsp                       // vector and error code
    iretq
.endm

// Error codes: SDM vol. 3A, 6.15: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, and AMD's #VC and #SX.
export interrupt_stubs, align=16
.set vector, 0
.rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    push $0
    .endif
    push $vector
    .if vector == 1
    jmp debug_entry
    .elseif vector == 2 || vector == 8 || vector == 18
    jmp own_stack_entry
    .else
    jmp common_entry
    .endif
    .set vector, vector + 1
.endr

debug_entry:
    save_registers
    testb $3, FRAME_CS(%rsp)
    jz from_kernel
    mov %rsp, %rsi                      // frame on the IST stack
    mov %rsp, %rax
    and $-CPU_BLOCK_SIZE, %rax
    mov CPU_TASK_STATE(%rax), %rax
    mov TASK_STATE_RSP(%rax), %rdi
    sub $FRAME_SIZE, %rdi               // frame in the thread
    mov $(FRAME_SIZE / 8), %ecx
    rep movsq
    sub $FRAME_SIZE, %rdi
    jmp from_user

common_entry:
    save_registers
    testb $3, FRAME_CS(%rsp)
    jz from_kernel
    mov %rsp, %rdi
from_user:
    mov FRAME_SIZE(%rdi), %rsp          // behind the frame in the thread: the kernel stack
    xor %ebp, %ebp
    call interrupt_from_user

own_stack_entry:
    save_registers
from_kernel:
    mov %rsp, %rdi
    call interrupt_from_kernel
    restore_registers_and_return

// void return_to_user(RegisterFrame&). An NMI in here is harmless: it has its own stack. At the stub page's return RBP
// is 0 and RCX, RDX and R11 hold nothing; but a program may have jumped there, with any stack pointer.
export return_to_user
    cmpq $STUB_RETURN, FRAME_RIP(%rdi)
    jne 1f
    cmpq $0x202, FRAME_RFLAGS(%rdi)
    jne 1f
    mov FRAME_RSP(%rdi), %rcx
    mov %rcx, %rdx
    shr $47, %rdx
    jnz 1f
    load FRAME, 0(%rdi), r15, r14, r13, r12, rbx, r10, r9, r8, rsi, rax, rdi
    mov $STUB_RETURN, %edx
    cmpb $0, returns_by_sysexit
    je 2f
    leave_by_sysexit
2:  leave_by_sysret
1:  mov %rdi, %rsp
    restore_registers_and_return
