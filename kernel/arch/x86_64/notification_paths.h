// SPDX-License-Identifier: Apache-2.0
// The hand-laid paths of Signal and Wait (decision 0015): what Notification::signal, Thread::wait, Scheduler::settle and
// Scheduler::choose do when nothing is unusual. A signal serves nobody waiting, and a waiter of this CPU without a
// deadline that wants all the bits; a wait serves bits that are there, polling, and a switch to a thread on a scheduling
// context that is plain (SchedulingContext::plain_), as is the one that waits.
#pragma once

#include "kernel/arch/x86_64/hot_paths.h"

// Back behind the system call of the thread in RCX, with the status in RAX, or Ok.
.macro leave_behind_call leave
    mov (CONTEXT_FRAME + FRAME_RSP)(%rcx), %rcx
    mov $STUB_RETURN, %edx
    \leave
.endm
.macro leave_with_success leave
    xor %eax, %eax
    leave_behind_call \leave
.endm

// What C++ does not keep of the registers of a system call.
#define ARGUMENTS rdi, rsi, r8, r9, r10

// What C++ keeps, and where the thread in RCX goes on: as prepare_return_from_stub makes it, but for what
// return_to_user does not look at.
.macro save_kept_registers
    movq $STUB_RETURN, (CONTEXT_FRAME + FRAME_RIP)(%rcx)
    movq $0x202, (CONTEXT_FRAME + FRAME_RFLAGS)(%rcx)
    save FRAME, CONTEXT_FRAME(%rcx), rbx, r12, r13, r14, r15
    xor %ebp, %ebp
.endm

// Goes on if \first, of a ring of scheduling contexts, is there, the only one, and plain.
.macro test_only_one first, unusual
    test \first, \first
    jz \unusual
    cmp \first, TIME_NEXT(\first)
    jne \unusual
    cmpb $0, TIME_PLAIN(\first)
    je \unusual
.endm

// The scheduling context in RCX becomes ready: R11 the scheduler, then RCX the priority. RDX and RBP are lost.
.macro enqueue
    movb $TIME_READY, TIME_STATE(%rcx)
    movzbl TIME_PRIORITY(%rcx), %edx
    mov CPU(CPU_SCHEDULER), %r11
    lea SCHEDULER_RINGS(%r11, %rdx, 8), %rbp
    cmpq $0, (%rbp)
    jne 777f
    mov %rcx, (%rbp)
    mov %edx, %ecx
    shr $6, %edx
    mov SCHEDULER_WORDS(%r11, %rdx, 8), %rbp
    bts %rcx, %rbp
    jc 778f
    mov %rbp, SCHEDULER_WORDS(%r11, %rdx, 8)
    bts %edx, SCHEDULER_WORDS_IN_USE(%r11)
    jmp 778f
777:mov (%rbp), %rdx                        // behind those that are there: the bits are set
    mov TIME_PREVIOUS(%rdx), %rbp
    mov %rcx, TIME_PREVIOUS(%rdx)
    mov %rdx, TIME_NEXT(%rcx)
    mov %rcx, TIME_NEXT(%rbp)
    mov %rbp, TIME_PREVIOUS(%rcx)
    movzbl TIME_PRIORITY(%rcx), %ecx
778:
.endm

.macro signal_path leave
    note_stack
    look_up CAPABILITY_SIGNALLABLE, CAPABILITY_SIGNALLABLE_MASK
    mov NOTIFICATION_ALLOWED(%rbp), %rdx
    and %rsi, %rdx                          // the bits
    mov NOTIFICATION_TARGET(%rbp), %rbp
    mov NOTIFICATION_WAITER(%rbp), %r11
    test %r11, %r11
    jnz 781f
    lock or %rdx, NOTIFICATION_BITS(%rbp)
    cmpq $0, NOTIFICATION_WAITER(%rbp)      // who began to wait before the bits were there has not seen them
    lea look_for_waiter, %r11
    jne 783f
    leave_with_success \leave

781:mov CONTEXT_SLOW_FLAGS(%r11), %rcx      // flags, state and CPU: waits here without a deadline?
    and $~FLAG_SWITCHED, %rcx
    cmp CPU(CPU_WAITER), %rcx
    jne 782f
    mov THREAD_WAIT_MASK(%r11), %rcx
    test %rcx, NOTIFICATION_BITS(%rbp)      // to be given together with those that are there
    jnz 782f
    not %rcx
    test %rdx, %rcx                         // some are for nobody
    jnz 782f
    test %rdx, %rdx
    jz 782f
    mov CONTEXT_PARKED(%r11), %rcx          // its time, and nobody else waits for it?
    test_only_one %rcx, 782f

    movq $0, NOTIFICATION_WAITER(%rbp)
    movb $STATE_READY, CONTEXT_STATE(%r11)
    movq $0, CONTEXT_PARKED(%r11)
    movq $0, (CONTEXT_FRAME + FRAME_RAX)(%r11)
    mov %rdx, (CONTEXT_FRAME + FRAME_RSI)(%r11)
    enqueue
    mov CPU(CPU_RUNNING_ON), %rdx
    cmp TIME_PRIORITY(%rdx), %cl
    ja 785f
    jb 786f
    mov TIME_STARTED(%rdx), %rbp            // equals: does the timer end this turn?
    add TIME_SLICE_LEFT(%rdx), %rbp
    cmp SCHEDULER_SLICE_END(%r11), %rbp
    jb 787f
786:mov CPU(CPU_RUNNING), %rcx
    leave_with_success \leave

787:lea limit_running_turn, %r11
    jmp 783f
785:movb $1, SCHEDULER_PREEMPT(%r11)
    mov CPU(CPU_RUNNING), %rcx
    save FRAME, CONTEXT_FRAME(%rcx), ARGUMENTS
    jmp signal_preempts
782:lea signal_waiter, %r11
783:mov CPU(CPU_RUNNING), %rcx
    save FRAME, CONTEXT_FRAME(%rcx), ARGUMENTS
    mov %rbp, %rdi
    mov %rdx, %rsi
    xor %ebp, %ebp
    call *%r11
    mov CPU(CPU_RUNNING), %rcx
    mov CPU(CPU_SCHEDULER), %rdi
    cmpb $0, SCHEDULER_PREEMPT(%rdi)
    jne signal_preempts
    load FRAME, CONTEXT_FRAME(%rcx), ARGUMENTS
    leave_with_success \leave
.endm

.macro wait_path leave
    note_stack
    look_up CAPABILITY_AWAITABLE, CAPABILITY_AWAITABLE_MASK
    cmp NOTIFICATION_TARGET(%rbp), %rbp     // a derived one cannot be awaited
    jne system_call_saved_stack
    mov NOTIFICATION_BITS(%rbp), %rax
791:mov %rsi, %rdx
    and %rax, %rdx
    jz 792f
    mov %rsi, %r11                          // takes the bits of the mask
    not %r11
    and %rax, %r11
    lock cmpxchg %r11, NOTIFICATION_BITS(%rbp)
    jne 791b
    mov %rdx, %rsi
    leave_with_success \leave
792:test %rsi, %rsi                         // no mask is an error
    jz wait_in_general
    test %r8, %r8
    jnz block_in_wait
    xor %esi, %esi
    mov $STATUS_TIMED_OUT, %eax
    leave_behind_call \leave
.endm

// The thread in RCX waits for the mask in RSI of the notification in RBP; the deadline is in R8.
.macro block_in_wait_path
    cmp $-1, %r8
    jne wait_in_general
    mov CPU(CPU_RUNNING_ON), %rdx
    cmp CONTEXT_DONATED(%rcx), %rdx         // its time, not a helper's?
    jne wait_in_general
    cmpb $0, TIME_PLAIN(%rdx)
    je wait_in_general
    cmpq $0, CONTEXT_PARKED(%rcx)
    jne wait_in_general
    mov %rsi, THREAD_WAIT_MASK(%rcx)
    xor %eax, %eax
    lock cmpxchg %rcx, NOTIFICATION_WAITER(%rbp)
    jne wait_in_general
    test %rsi, NOTIFICATION_BITS(%rbp)      // a signal came before the waiter was there to be seen?
    jnz 1f

    mov %rbp, THREAD_WAITING_FOR(%rcx)
    movb $STATE_WAITING, CONTEXT_STATE(%rcx)
    save FRAME, CONTEXT_FRAME(%rcx), ARGUMENTS
    save_kept_registers
    mov %rdx, CONTEXT_PARKED(%rcx)
    movb $TIME_PARKED, TIME_STATE(%rdx)
    mov %rcx, TIME_PARKED_ON(%rdx)
    mov %rcx, TIME_ACTIVE(%rdx)
    mov %rdx, %rbx
    mov CPU(CPU_SCHEDULER), %rsi
    rdtsc
    shl $32, %rdx
    or %rdx, %rax                           // now
    mov TIME_STARTED(%rbx), %rdx
    add TIME_SLICE_LEFT(%rbx), %rdx
    sub %rax, %rdx                          // what is left of the slice; a new one if nothing is
    jbe 2f
    mov %rdx, TIME_SLICE_LEFT(%rbx)

    bsr SCHEDULER_WORDS_IN_USE(%rsi), %ecx
    jz 3f
    bsr SCHEDULER_WORDS(%rsi, %rcx, 8), %rdx
    shl $6, %ecx
    add %ecx, %edx
    mov SCHEDULER_RINGS(%rsi, %rdx, 8), %rdi
    test_only_one %rdi, 3f                  // somebody, and nobody else?
    mov TIME_ACTIVE(%rdi), %rcx
    cmpb $STATE_READY, CONTEXT_STATE(%rcx)
    jne 3f
    movq $0, SCHEDULER_RINGS(%rsi, %rdx, 8)
    movb $TIME_RUNNING, TIME_STATE(%rdi)
    mov %rax, TIME_STARTED(%rdi)
    mov %rdi, CPU(CPU_RUNNING_ON)
    switch_context CPU(CPU_LOADED_ROOT), %rcx, %rdx, %rbx
    mov CONTEXT_SLOW_FLAGS(%rcx), %edx      // FPU registers, bases or ports to be switched?
    or CPU(CPU_SWITCHED), %edx
    jnz 4f
    lea CONTEXT_FRAME(%rcx), %rdi
    jmp return_to_user

1:  movq $0, NOTIFICATION_WAITER(%rbp)
wait_in_general:
    mov $CALL_WAIT, %eax
    jmp system_call_saved_stack
2:  mov %rbx, %rdi
    mov %rax, %rsi
    call choose_behind_slice
3:  mov %rax, %rdi
    call choose_next
4:  mov %rcx, %rdi
    call return_to_running
.endm
