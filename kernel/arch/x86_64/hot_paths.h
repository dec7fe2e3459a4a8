// SPDX-License-Identifier: Apache-2.0
// What the hand-laid paths of the kernel have in common: system calls (syscall_entry.S), exits of guests and replies to
// them (vmx/vmx_entry.S, svm/svm_entry.S). Each does what the general path in C++ does in the case that nothing is
// unusual; it changes nothing before its last test has passed and leaves everything else to that path, which is complete
// by itself. What they touch of an object is named in asm_offsets.cpp.
#pragma once

#include "asm_offsets.h"
#include "kernel/arch/x86_64/asm_constants.h"

// A member of this CPU's data, with RSP at the top of the empty stack.
#define CPU(member) (member - CPU_STACK_TOP)(%rsp)

// A label that other files know.
.macro export name, align=1
    .balign \align
    .global \name
\name:
.endm

// Moves registers to their places in a frame at \place, and back. \kind is FRAME, of which an abi::Registers is the
// beginning, or GUEST.
.macro save kind, place, registers:vararg
    .irp register, \registers
    mov %\register, .L\kind\()_\register + \place
    .endr
.endm
.macro load kind, place, registers:vararg
    .irp register, \registers
    mov .L\kind\()_\register + \place, %\register
    .endr
.endm

// Leaves for ring 3 with RCX = stack pointer, RDX = instruction; clears what the kernel had in other registers.
.macro leave_by_sysexit
    xor %ebp, %ebp
    xor %r11d, %r11d
    sti
    sysexitq
.endm
.macro leave_by_sysret
    mov %rcx, %rsp
    mov %rdx, %rcx
    mov $0x202, %r11d
    xor %ebp, %ebp
    xor %edx, %edx
    sysretq
.endm

// To the thread \to: page tables, if they are not \root, and where its next interrupt is pushed.
.macro switch_context root, to, scratch, scratch2
    mov \to, CPU(CPU_RUNNING)
    mov CPU(CPU_TASK_STATE), \scratch
    lea (CONTEXT_FRAME + FRAME_SIZE)(\to), \scratch2
    mov \scratch2, TASK_STATE_RSP(\scratch)
    mov CONTEXT_SPACE_ROOT(\to), \scratch
    cmp \root, \scratch
    je 771f
    mov \scratch, CPU(CPU_LOADED_ROOT)
    mov \scratch, %cr3
771:
.endm

// The object of the capability word in \word becomes \entry, unless the word is stale. \word and \scratch are lost.
.macro find_object word, entry, scratch, stale
    mov \word, \scratch
    and $CAPABILITY_INDEX_MASK, \scratch
    mov object_table_entries, \entry
    mov (\entry, \scratch, 8), \entry       // the entry: of the same generation?
    shl $(ENTRY_GENERATION_SHIFT - CAPABILITY_GENERATION_SHIFT), \word
    xor \entry, \word
    shr $ENTRY_GENERATION_SHIFT, \word
    jnz \stale
    shl $(64 - ENTRY_GENERATION_SHIFT), \entry
    sar $(64 - 48), \entry                  // what is left is bits 6 to 47 of the object's address
.endm

// The running thread becomes RCX, its RSP is noted.
.macro note_stack
    mov CPU(CPU_RUNNING), %rcx
    mov %rdx, (CONTEXT_FRAME + FRAME_RSP)(%rcx)
    shr $47, %rdx                           // no stack pointer but a canonical one of user space
    jnz system_call_saved_stack
.endm

// The object that the selector in RDI names becomes RBP, if its type and rights are those wanted.
.macro look_up wanted, mask
    cmp CONTEXT_SLOT_COUNT(%rcx), %rdi
    jae system_call_saved_stack
    mov CONTEXT_SLOTS(%rcx), %r11
    mov (%r11, %rdi, 8), %r11
    mov %r11, %rbp
    shr $CAPABILITY_RIGHTS_SHIFT, %rbp
    and $\mask, %ebp
    cmp $\wanted, %ebp
    jne system_call_saved_stack
    find_object %r11, %rbp, %rdx, system_call_saved_stack
.endm

// The handler in R11 is idle again, its caller in RCX ready. RDI becomes 0.
.macro end_call
    movb $STATE_IDLE, CONTEXT_STATE(%r11)
    movb $STATE_READY, CONTEXT_STATE(%rcx)
    xor %edi, %edi
    mov %rdi, CONTEXT_CALLER(%r11)
    mov %rdi, CONTEXT_DONATED(%r11)
.endm

// The buffer's words of the message of the thread in \from, to the thread in \to; RAX is the tag. RCX and RDX are lost.
.macro copy_words from, to
    mov %rsi, %rdx
    mov THREAD_MESSAGE_BUFFER(\from), %rsi
    mov THREAD_MESSAGE_BUFFER(\to), %rdi
    add $MESSAGE_WORDS, %rsi
    add $MESSAGE_WORDS, %rdi
    mov %eax, %ecx
    shr $TAG_WORDS_SHIFT, %ecx
    rep movsq
    mov %rdx, %rsi
.endm

// The running \caller, with the page tables \root, waits for the handler of \portal, which runs on its time. Then R11
// is the handler, RDI the badge, RCX the handler's stack, RDX its entry.
.macro call_portal portal, caller, root, scratch, scratch2, unusual, words=0
    mov PORTAL_HANDLER(\portal), %r11
    mov CONTEXT_SLOW_FLAGS(%r11), \scratch  // flags, state and CPU at once: idle, here, nothing unusual?
    cmp CPU(CPU_IDLE_HANDLER), \scratch
    jne \unusual

    movb $STATE_IN_CALL, CONTEXT_STATE(\caller)
    mov %r11, CONTEXT_CALLEE(\caller)
    mov \caller, CONTEXT_CALLER(%r11)
    mov CONTEXT_DONATED(\caller), \scratch2
    mov \scratch2, CONTEXT_DONATED(%r11)
    movb $STATE_READY, CONTEXT_STATE(%r11)
    switch_context \root, %r11, \scratch, \scratch2
    .if \words
    copy_words \caller, %r11
    .endif
    mov PORTAL_BADGE(\portal), %rdi
    mov THREAD_STACK(%r11), %rcx
    mov PORTAL_ENTRY(\portal), %rdx
.endm

// The running vCPU in RDI calls the handler of its portal, whose capability word was checked when it was bound. Changes
// RAX too.
.macro call_monitor slow
    mov VCPU_PORTAL_WORD(%rdi), %rcx
    find_object %rcx, %rdx, %rax, \slow     // the portal
    call_portal %rdx, %rdi, CPU(CPU_LOADED_ROOT), %rcx, %rax, \slow
.endm

// [[noreturn]] void send_exit_by_...(Vcpu&): an exit whose words are in the vCPU.
.macro send_exit leave
    mov (VCPU_FRAME + GUEST_KERNEL_STACK_TOP)(%rdi), %rsp
    mov %rdi, %rbp
    call_monitor send_exit_slowly
    load FRAME, VCPU_EXIT(%rbp), r15, r14, r13, r12, rbx, r10, r9, r8, rsi, rax
    \leave
.endm

// What Vcpu::on_cpuid and prepare_exit do, for a monitor that wants no state with it: RDI is the vCPU, R12 the
// instruction's length, R13 its address, R10 CR4.OSXSAVE as on_cpuid tells it.
.macro send_cpuid_exit leave
    movb %r12b, VCPU_INSTRUCTION_LENGTH(%rdi)
    shl $EXIT_LABEL_LENGTH_SHIFT, %r12
    bts $EXIT_LABEL_CPUID_BIT, %r12
    mov %r12, (VCPU_EXIT + FRAME_RAX)(%rdi)
    incq VCPU_SEQUENCE(%rdi)
    mov VCPU_SEQUENCE(%rdi), %rsi
    mov (VCPU_FRAME + GUEST_RAX)(%rdi), %r8
    mov (VCPU_FRAME + GUEST_RCX)(%rdi), %r9
    mov VCPU_FPU(%rdi), %rax
    or FPU_XCR0(%rax), %r10
    xor %r14d, %r14d
    xor %r15d, %r15d
    save FRAME, VCPU_EXIT(%rdi), r15, r14, r13, r10, r9, r8, rsi
    mov %r13, VCPU_RIP(%rdi)
    mov %r14d, VCPU_VALID_GROUPS(%rdi)
    mov %r14, VCPU_INTERRUPTED(%rdi)
    movb $EXIT_REASON_CPUID, VCPU_REASON(%rdi)
    movb $VCPU_IN_EXIT, VCPU_PHASE(%rdi)
    movb $VCPU_IN_KERNEL, VCPU_ACTIVITY(%rdi)
    mov VCPU_STATE_MEMORY(%rdi), %rax
    incq STATE_PAGE_CPUID_EXITS(%rax)
    call_monitor send_exit_slowly
    mov %r12, %rax
    xor %ebx, %ebx
    xor %r12d, %r12d
    \leave
.endm

// Goes on if nothing is unusual about the reply of the handler in R11 to a caller whose word of flags, state and CPU is
// in RBP, which is lost.
.macro test_reply no_plain_caller
    cmp CPU(CPU_PLAIN_CALLER), %rbp
    jne \no_plain_caller
    cmpl $0, CONTEXT_SLOW_FLAGS(%r11)
    jne system_call_common
    mov CONTEXT_DONATED(%r11), %rbp         // on its time, not on a helper's?
    cmp CPU(CPU_RUNNING_ON), %rbp
    jne system_call_common
.endm

// A reply of the handler in R11 to a caller in RCX that is no plain thread; RBP is the caller's word of flags, state and
// CPU. Tests whether it is a vCPU that shall go on behind an instruction whose results are all in the reply's registers.
// RDX, RDI and RBP are free.
.macro test_reply_to_vcpu
    sub $FLAG_VCPU, %rbp
    test_reply system_call_common
    cmp VCPU_SEQUENCE(%rcx), %rsi
    jne reply_to_vcpu_slowly
    cmp reply_skip_only, %rax
    jne reply_to_vcpu_slowly
    test %r12, %r12                         // no state was changed
    jnz reply_to_vcpu_slowly
    movzbl VCPU_REASON(%rcx), %ebp
    mov $REASONS_IN_REGISTERS, %edi
    bt %ebp, %edi
    jnc reply_to_vcpu_slowly
    cmp CPU(CPU_LOADED_VCPU), %rcx
    jne reply_to_vcpu_slowly
    mov CPU(CPU_SCHEDULER), %rdi
    cmpb $0, SCHEDULER_PREEMPT(%rdi)
    jne reply_to_vcpu_slowly
    mov VCPU_FPU(%rcx), %rdi
    cmpb $0, FPU_LOADED(%rdi)
    je reply_to_vcpu_slowly
    mov VCPU_SPACE(%rcx), %rdi              // translations to be flushed?
    mov SPACE_FLUSH_GENERATION(%rdi), %rdi
    cmp VCPU_FLUSH_GENERATION(%rcx), %rdi
    jne reply_to_vcpu_slowly
.endm

// The handler is idle again, the vCPU in RCX runs. RDI becomes 0, RAX where the guest goes on. RBP is the reason of the
// exit, R8, R9, R10 and RBX are the results of CPUID.
.macro finish_exit
    end_call
    mov %rcx, CPU(CPU_RUNNING)
    movb $VCPU_RUNNING, VCPU_PHASE(%rcx)
    movzbl VCPU_INSTRUCTION_LENGTH(%rcx), %eax
    add VCPU_RIP(%rcx), %rax
    mov %rax, VCPU_RIP(%rcx)
    movb $0, VCPU_INSTRUCTION_LENGTH(%rcx)
    cmp $EXIT_REASON_CPUID, %ebp
    jne 772f
    mov %r8d, %r8d
    mov %r9d, %r9d
    mov %r10d, %r10d
    mov %ebx, %ebx
    mov %r8, (VCPU_FRAME + GUEST_RAX)(%rcx)
    mov %r9, (VCPU_FRAME + GUEST_RBX)(%rcx)
    mov %r10, (VCPU_FRAME + GUEST_RCX)(%rcx)
    mov %rbx, (VCPU_FRAME + GUEST_RDX)(%rcx)
772:
.endm

// Announces that the vCPU in RCX goes into its guest, then looks once more whether something waits for it.
.macro announce_guest
    mov $VCPU_IN_GUEST, %eax
    xchg %al, VCPU_ACTIVITY(%rcx)
    cmpl $0, VCPU_EVENTS(%rcx)
    jne take_events_first
.endm

// The doorbell that an I/O exit of the vCPU in RDI rings becomes RSI, by the key in ECX (DoorbellTable::find). RCX and
// the flags are lost only if there is none.
.macro find_doorbell none
    mov VCPU_OWNER(%rdi), %rax
    mov DOMAIN_DOORBELLS(%rax), %rax
    test %rax, %rax
    jz \none
    imul $DOORBELL_MULTIPLIER, %ecx, %esi
    shr $DOORBELL_SHIFT, %esi
    mov (%rax, %rsi, 8), %rsi
773:
    test %rsi, %rsi
    jz \none
    cmp DOORBELL_KEY(%rsi), %ecx
    je 774f
    mov DOORBELL_NEXT(%rsi), %rsi
    jmp 773b
774:
.endm

// Rings the doorbell in RSI for the vCPU in RDI, whose guest is behind the instruction already. To \preempted if
// something more urgent is ready then.
.macro ring_doorbell preempted
    call ring_doorbell
    mov CPU(CPU_RUNNING), %rdi
    mov CPU(CPU_SCHEDULER), %rax
    cmpb $0, SCHEDULER_PREEMPT(%rax)
    jne \preempted
.endm

// Guest registers that functions in C++ do not keep, but RAX, which is the VMCB's on AMD-V, and RDI. The others stay
// where they are on a way back into the guest without a switch.
#define CHANGING_REGISTERS rcx, rdx, rsi, r8, r9, r10, r11
.macro save_rest_of_guest
    save GUEST, VCPU_FRAME(%rdi), rbx, rbp, r12, r13, r14, r15
    mov $0, %ebp
.endm

// An exit found RSP at the end of the registers in the vCPU, which becomes RDI; the kernel's stack stands behind. The
// flags stay.
.macro enter_from_guest
    mov %rdi, (GUEST_RDI - GUEST_REGISTERS_SIZE)(%rsp)
    lea -(VCPU_FRAME + GUEST_REGISTERS_SIZE)(%rsp), %rdi
    mov (GUEST_KERNEL_STACK_TOP - GUEST_REGISTERS_SIZE)(%rsp), %rsp
    save GUEST, VCPU_FRAME(%rdi), CHANGING_REGISTERS
.endm

// All but RAX, from where RSP points to.
.macro restore_guest_registers
    .irp register, rcx, rdx, rbx, rbp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    pop %\register                      // the first into RBP is the slot of RSP
    .endr
.endm
