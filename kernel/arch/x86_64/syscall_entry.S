// SPDX-License-Identifier: Apache-2.0
// How programs enter the kernel: the code of the stub page, and what SYSENTER and SYSCALL lead to.
//
// RSP is the CPU's empty kernel stack, whose distance from the CPU block's start is fixed; so the CPU is found without
// GS. The running thread's frame takes the registers of the call; RIP is not saved, as there is one place only from
// which programs may come and to which they return (Intel SDM volume 2B, SYSENTER; AMD APM volume 3, SYSCALL).
#include "kernel/arch/x86_64/asm_offsets.h"

.section .rodata
// The stub page. A function that keeps RSP and RBP; RCX, RDX and R11 are lost.
.global stub_intel_start, stub_intel_end, stub_amd_start, stub_amd_end
stub_intel_start:
    push %rbp
    xor %ebp, %ebp
    mov %rsp, %rdx
    sysenter
stub_intel_return:
    pop %rbp
    ret
stub_intel_end:

stub_amd_start:
    push %rbp
    xor %ebp, %ebp
    mov %rsp, %rdx
    syscall
stub_amd_return:
    pop %rbp
    ret
stub_amd_end:

#define STUB_RETURN (STUB_PAGE + 8)
.if stub_intel_return - stub_intel_start != 8 || stub_amd_return - stub_amd_start != 8
.error "STUB_RETURN is where the stub page's code returns"
.endif

.section .text.syscall_entry, "ax"

// One for each CPU, 32 bytes apart: SYSCALL leaves RSP to us.
.balign 32
.global syscall_trampolines
syscall_trampolines:
.set cpu, 0
.rept 64
    .balign 32
    mov %rsp, (saved_user_stacks + 64 * cpu)(%rip)
    movabs $(CPU_REGION_BASE + CPU_BLOCK_SIZE * cpu + CPU_STACK_TOP), %rsp
    jmp syscall_common
    .set cpu, cpu + 1
.endr

.balign 16
syscall_common:
    // A SYSCALL elsewhere than in the stub page is a foreign one.
    cmp $STUB_RETURN, %rcx
    je system_call_common
    push %rcx
    mov (CPU_RUNNING - (CPU_STACK_TOP - 8))(%rsp), %rcx
    popq (CONTEXT_FRAME + FRAME_RIP)(%rcx)
    jmp foreign_system_call

.balign 16
.global sysenter_entry
sysenter_entry:
    // SYSENTER clears IF only: NT, AC, DF and TF are as the program left them.
    push $2
    popf
    jmp system_call_common

.balign 16
system_call_common:
    mov (CPU_RUNNING - CPU_STACK_TOP)(%rsp), %rcx
    mov %rdx, (CONTEXT_FRAME + FRAME_RSP)(%rcx)
    movq $STUB_RETURN, (CONTEXT_FRAME + FRAME_RIP)(%rcx)
    movq $0x202, (CONTEXT_FRAME + FRAME_RFLAGS)(%rcx)
    xor %edx, %edx
    xor %r11d, %r11d
    xor %ebp, %ebp                      // the stub page keeps the program's
    call save_registers
    mov %rcx, %rdi
    movq $0, (CONTEXT_FRAME + FRAME_RCX)(%rdi)
    call system_call

// RCX: the running thread. RIP and RFLAGS of the program were in RCX, which is saved, and R11.
foreign_system_call:
    call save_registers
    mov %r11, (CONTEXT_FRAME + FRAME_RFLAGS)(%rcx)
    mov %rcx, %rdi
    xor %ebp, %ebp
    call foreign_system_call_of

save_registers:
    mov %r15, (CONTEXT_FRAME + 0)(%rcx)
    mov %r14, (CONTEXT_FRAME + 8)(%rcx)
    mov %r13, (CONTEXT_FRAME + 16)(%rcx)
    mov %r12, (CONTEXT_FRAME + 24)(%rcx)
    mov %rbx, (CONTEXT_FRAME + 32)(%rcx)
    mov %r10, (CONTEXT_FRAME + 40)(%rcx)
    mov %r9, (CONTEXT_FRAME + 48)(%rcx)
    mov %r8, (CONTEXT_FRAME + 56)(%rcx)
    mov %rsi, (CONTEXT_FRAME + 64)(%rcx)
    mov %rdi, (CONTEXT_FRAME + 72)(%rcx)
    mov %rax, (CONTEXT_FRAME + 80)(%rcx)
    mov %rbp, (CONTEXT_FRAME + 88)(%rcx)
    mov %rdx, (CONTEXT_FRAME + 96)(%rcx)
    mov %r11, (CONTEXT_FRAME + 112)(%rcx)
    ret

.section .bss
.balign 64
.global saved_user_stacks
saved_user_stacks:
    .skip 64 * 64
