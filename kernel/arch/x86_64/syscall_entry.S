// SPDX-License-Identifier: Apache-2.0
// How programs enter the kernel: the code of the stub page, what SYSENTER and SYSCALL lead to, and the hand-laid paths
// of Call and Reply for messages in registers, of Signal, Wait and Null.
//
// RSP is the CPU's empty kernel stack, whose distance from the CPU block's start is fixed; so the CPU is found without
// GS. RIP is not saved, as there is one place only from which programs may come and to which they return (Intel SDM
// volume 2B, SYSENTER and SYSEXIT; AMD APM volume 3, SYSCALL and SYSRET).
//
// The paths of Call and Reply stand for Ipc::call and Ipc::reply (see hot_paths.h), those of Signal and Wait for
// Notification::signal and Thread::wait (notification_paths.h); the running thread's RSP is noted before their tests.
#include "kernel/arch/x86_64/hot_paths.h"
#include "kernel/arch/x86_64/notification_paths.h"

.section .rodata
// The stub page. A function that keeps RSP and RBP; RCX, RDX and R11 are lost.
.macro stub_page vendor, enter
export stub_\vendor\()_start
    push %rbp
    xor %ebp, %ebp
    mov %rsp, %rdx
    \enter
.if . - stub_\vendor\()_start != STUB_RETURN - STUB_PAGE
.error "STUB_RETURN is where the stub page's code returns"
.endif
    pop %rbp
    ret
export stub_\vendor\()_end
.endm
stub_page intel, sysenter
stub_page amd, syscall

// RAX tag, RDI selector, RDX the program's stack pointer; RCX, RBP, R11 are free; the rest is the message.
.macro call_path leave, words
    note_stack                              // of the caller
    cmpl $0, CONTEXT_SLOW_FLAGS(%rcx)
    jne system_call_saved_stack
    look_up CAPABILITY_CALLABLE, CAPABILITY_CALLABLE_MASK    // the portal
    call_portal %rbp, %rcx, CONTEXT_SPACE_ROOT(%rcx), %rdx, %rdi, system_call_saved_stack, \words
    \leave
.endm

.macro reply_path leave, reply_to_vcpu, words
    mov CPU(CPU_RUNNING), %r11              // the handler
    mov CONTEXT_CALLER(%r11), %rcx
    test %rcx, %rcx
    jz system_call_common
    mov CONTEXT_SLOW_FLAGS(%rcx), %rbp      // a caller that waits for this reply and nothing unusual?
    test_reply \reply_to_vcpu

    end_call
    switch_context CONTEXT_SPACE_ROOT(%r11), %rcx, %rdx, %rbp
    .if \words
    mov %rcx, %rbp
    copy_words %r11, %rbp
    mov %rbp, %rcx
    .endif
    dec %rax                                // the label stays, Reply becomes Ok
    leave_behind_call \leave
.endm

.macro message_paths leave, reply_to_vcpu
    test %eax, %eax                         // Call is 0, and so are the tag's bits for what is not in registers
    jnz 2f
    call_path \leave, 0
2:  cmp $1, %eax                            // Reply
    jne 3f
    reply_path \leave, \reply_to_vcpu, 0
3:  cmp $((1 << TAG_WORDS_SHIFT) - 1), %eax
    jbe 5f
    cmp $(MESSAGE_MAX_WORDS << TAG_WORDS_SHIFT | 1), %eax   // words in the buffer, and nothing else?
    ja system_call_common
    mov %eax, %ecx
    and $((1 << TAG_WORDS_SHIFT) - 1), %ecx
    jz 4f
    dec %ecx
    jnz system_call_common
    reply_path \leave, system_call_common, 1
4:  call_path \leave, 1
5:  cmp $CALL_SIGNAL, %eax
    jne 6f
    signal_path \leave
6:  cmp $CALL_WAIT, %eax
    jne 7f
    wait_path \leave
7:  cmp $CALL_NULL, %eax
    jne system_call_common
    note_stack
    leave_with_success \leave
.endm

.section .text.syscall_entry, "ax"

// A reply to a vCPU that is not as simple as test_reply_to_vcpu wants: taken from the registers all the same, without a
// frame of the handler in R11.
export reply_to_vcpu_slowly, align=16
    end_call
    mov %rcx, CPU(CPU_RUNNING)
    dec %rax                                // the label stays, Reply becomes Ok
    .irp register, rdi, rax, rdi, rsi, r8, r9, r10, rbx, r12, r13, r14, r15
    push %\register                         // an abi::Registers on the stack, which the first word aligns
    .endr
    mov %rsp, %rsi
    mov %rcx, %rdi
    xor %ebp, %ebp
    call reply_to_vcpu

export take_events_first                    // RCX is a vCPU on its way into the guest
    mov %rcx, %rdi
    xor %ebp, %ebp
    call enter_with_events

export send_exit_by_sysexit
    send_exit leave_by_sysexit
export send_exit_by_sysret
    send_exit leave_by_sysret

// One for each CPU, 32 bytes apart: SYSCALL leaves RSP to us.
export syscall_trampolines, align=32
.set cpu, 0
.rept 64
    .balign 32
    mov %rsp, (saved_user_stacks + 64 * cpu)(%rip)
    movabs $(CPU_REGION_BASE + CPU_BLOCK_SIZE * cpu + CPU_STACK_TOP), %rsp
    jmp syscall_entry
    .set cpu, cpu + 1
.endr

.balign 64
syscall_entry:
    cmp $STUB_RETURN, %rcx                  // a SYSCALL elsewhere than in the stub page is a foreign one
    jne foreign_system_call
    message_paths leave_by_sysret, reply_to_svm_guest

export sysenter_entry, align=64
    push $2                                 // SYSENTER clears IF only: NT, AC, DF and TF are as the program left them
    popf
    message_paths leave_by_sysexit, reply_to_vmx_guest

export system_call_common, align=16
    mov CPU(CPU_RUNNING), %rcx
    mov %rdx, (CONTEXT_FRAME + FRAME_RSP)(%rcx)
system_call_saved_stack:                    // RCX is the running thread
    save FRAME, CONTEXT_FRAME(%rcx), ARGUMENTS, rax
    save_kept_registers
    mov %rcx, %rdi
    call system_call

// RCX is the program's RIP, R11 its RFLAGS.
foreign_system_call:
    push %rcx
    mov (CPU_RUNNING - CPU_STACK_TOP + 8)(%rsp), %rcx
    popq (CONTEXT_FRAME + FRAME_RIP)(%rcx)
    save FRAME, CONTEXT_FRAME(%rcx), r15, r14, r13, r12, rbx, r10, r9, r8, rsi, rdi, rax, rbp, rdx, r11
    mov %r11, (CONTEXT_FRAME + FRAME_RFLAGS)(%rcx)
    mov %rcx, %rdi
    xor %ebp, %ebp
    call foreign_system_call_of

block_in_wait:
    block_in_wait_path
signal_preempts:                            // the thread in RCX, whose arguments are in its frame
    movq $0, (CONTEXT_FRAME + FRAME_RAX)(%rcx)
    save_kept_registers
    call leave_kernel

.section .rodata
export reply_skip_only, align=8             // the call Reply with ReplyFlag::SkipInstruction as its label
    .quad 1 | 1 << 32

.section .bss
export saved_user_stacks, align=64
    .skip 64 * 64
