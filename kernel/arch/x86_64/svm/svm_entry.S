// SPDX-License-Identifier: Apache-2.0
// Into a guest and out of it. #VMEXIT restores RSP and RAX as VMRUN found them: RSP at the end of the register file in
// the vCPU, which is found by it, RAX the VMCB. GIF is 0 from before the entry until `svm::leave`.
// VMRUN takes the host's IF for what interrupts the guest: it has to be 1, which has no effect while GIF is 0.
#include "kernel/arch/x86_64/hot_paths.h"

// Whether the exit of the vCPU in RDI, whose VMCB is R8, left nothing to be put in order.
.macro test_exit unusual
    cmpb $0, VCPU_INJECTING(%rdi)
    jne \unusual
    cmpb $0, VCPU_STEP(%rdi)
    jne \unusual
    cmpl $0, VMCB_EXIT_EVENT(%r8)          // interrupted the delivery of an event
    jl \unusual
    mov VCPU_STATE_MEMORY(%rdi), %rax       // MOV CR8 changed the VMCB's copy of TPR
    movzbl STATE_PAGE_TASK_PRIORITY(%rax), %eax
    shr $4, %eax
    cmp VMCB_VIRTUAL_INTERRUPT(%r8), %al
    jne \unusual
.endm

.section .text.svm_entry, "ax"

// The reply to a guest's exit, from syscall_entry.S.
export reply_to_svm_guest, align=64
    test_reply_to_vcpu
    mov VCPU_TAG_GENERATION(%rcx), %rdi
    cmp CPU(CPU_ASID_GENERATION), %rdi
    jne reply_to_vcpu_slowly
    mov VCPU_CONTROL_BLOCK(%rcx), %rdx
    testb $1, (VMCB_RFLAGS + 1)(%rdx)       // TF
    jnz reply_to_vcpu_slowly
    finish_exit
    mov (VCPU_FRAME + GUEST_RAX)(%rcx), %r8
    mov %r8, VMCB_RAX(%rdx)
    mov %rax, VMCB_RIP(%rdx)
    mov %rdi, VMCB_INTERRUPT_SHADOW(%rdx)
    movb $0, VMCB_TLB_CONTROL(%rdx)
    announce_guest
    movb $1, CPU(CPU_GUEST_IN_CPU)
    clgi
    mov VCPU_CONTROL_BLOCK_ADDRESS(%rcx), %rax
    vmload
    lea VCPU_FRAME(%rcx), %rdi

svm_enter_loaded:                           // RDI is the frame, RAX the VMCB
    sti                                     // not right before VMRUN: QEMU would take its shadow into the guest
    lea 8(%rdi), %rsp                       // the guest's RAX is in the VMCB
    restore_guest_registers
svm_run:
    vmrun
    cli
    enter_from_guest
    mov VCPU_CONTROL_BLOCK(%rdi), %r8
    cmpl $SVM_EXIT_CPUID, VMCB_EXIT_CODE(%r8)
    jne 2f
    save_rest_of_guest
    cmpl $0, VCPU_GROUPS_CPUID(%rdi)
    jne 5f
    test_exit 5f
    mov VMCB_RAX(%r8), %rax
    cmp $CPUID_XSAVE_LEAF, %eax             // shows XCR0, which QEMU's guests change without an exit
    je 5f
    mov %rax, (VCPU_FRAME + GUEST_RAX)(%rdi)
    mov svm_clean_after_exit, %eax
    mov %eax, VMCB_CLEAN(%r8)
    mov VMCB_RIP(%r8), %r13
    mov VMCB_NEXT_RIP(%r8), %r12
    sub %r13, %r12
    lea -1(%r12), %rax
    cmp $15, %rax
    jb 1f
    mov $2, %r12d                           // not told: CPUID without prefixes
1:  mov VMCB_CR4(%r8), %r10
    and $CR4_OSXSAVE, %r10d
    shl $CR4_OSXSAVE_SHIFT, %r10
    mov VCPU_CONTROL_BLOCK_ADDRESS(%rdi), %rax  // svm::leave
    vmsave
    mov CPU(CPU_HOST_VMCB), %rax
    vmload
    stgi
    movb $0, CPU(CPU_GUEST_IN_CPU)
    movb $1, CPU(CPU_TASK_REGISTER_CUT)
    mov %rbp, CPU(CPU_FS_BASE)
    mov %rbp, CPU(CPU_GS_BASE)
    send_cpuid_exit leave_by_sysret

2:  cmpl $SVM_EXIT_IO, VMCB_EXIT_CODE(%r8)
    jne 4f
    mov VMCB_EXIT_INFO_1(%r8), %ecx
    and $SVM_PORT_KEY_MASK, %ecx
    find_doorbell 6f
    test_exit 6f
    testb $1, (VMCB_RFLAGS + 1)(%r8)        // TF
    jnz 6f
    cmpl $0, VCPU_EVENTS(%rdi)
    jne 6f
    mov svm_clean_after_exit, %eax
    mov %eax, VMCB_CLEAN(%r8)
    mov VMCB_EXIT_INFO_2(%r8), %rax         // the next instruction
    mov %rax, VMCB_RIP(%r8)
    movq $0, VMCB_INTERRUPT_SHADOW(%r8)
    movb $0, VMCB_TLB_CONTROL(%r8)
    ring_doorbell 7f
    sti
    mov VCPU_CONTROL_BLOCK_ADDRESS(%rdi), %rax
    lea (VCPU_FRAME + GUEST_REGISTERS_SIZE)(%rdi), %rsp
    load GUEST, VCPU_FRAME(%rdi), CHANGING_REGISTERS, rdi
    jmp svm_run

4:  save_rest_of_guest
5:  call svm_exit
6:  save_rest_of_guest
    call svm_io_exit
7:  save_rest_of_guest
    mov VCPU_CONTROL_BLOCK(%rdi), %rax
    mov VMCB_RAX(%rax), %rax
    mov %rax, (VCPU_FRAME + GUEST_RAX)(%rdi)
    call leave_behind_doorbell

// [[noreturn]] void svm_enter(GuestFrame& frame, uint64_t vmcb)
export svm_enter
    mov %rsi, %rax
    jmp svm_enter_loaded
