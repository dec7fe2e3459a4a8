// SPDX-License-Identifier: Apache-2.0
// Into a guest and out of it. HOST_RSP points to the end of the register file in the vCPU, so the exit finds the vCPU
// there; what stands behind is the kernel's stack. While RSP is there no interrupt can come (IF=0), and NMI, #MC and #DF
// have stacks of their own.
#include "kernel/arch/x86_64/hot_paths.h"

.macro read_field field, to
    mov $\field, %eax
    vmread %rax, \to
.endm

// Behind the last test of an entry's flags: MOV from CR2 leaves them undefined (SDM vol. 2B, MOV).
.macro save_cr2
    mov %cr2, %rax
    mov %rax, (VCPU_FRAME + GUEST_CR2)(%rdi)
.endm

.section .text.vmx_entry, "ax"

// The reply to a guest's exit, from syscall_entry.S.
.balign 64
.global reply_to_vmx_guest
reply_to_vmx_guest:
    test_reply_to_vcpu
    mov $VMCS_GUEST_INTERRUPTIBILITY, %edi
    vmread %rdi, %rdi
    test $3, %dil                           // an interrupt shadow
    jnz reply_to_vcpu_slowly
    mov $VMCS_GUEST_RFLAGS, %edi
    vmread %rdi, %rdi
    bt $8, %edi                             // TF
    jc reply_to_vcpu_slowly
    finish_exit
    set_cpuid_results
    mov $VMCS_GUEST_RIP, %eax
    vmwrite %rdx, %rax
    announce_guest
    mov VCPU_HOST_SPACE(%rcx), %rax         // what the exit loads
    mov %rax, CPU(CPU_LOADED_ROOT)
    mov %rdi, CPU(CPU_FS_BASE)
    mov %rdi, CPU(CPU_GS_BASE)
    movb $1, CPU(CPU_TASK_REGISTER_CUT)
    lea VCPU_FRAME(%rcx), %rdi

vmx_resume_guest:                           // RDI is the frame
    mov GUEST_CR2(%rdi), %rax
    mov %cr2, %rcx
    cmp %rax, %rcx
    je 1f
    mov %rax, %cr2
1:  mov %rdi, %rsp
    pop %rax
    pop %rcx
    restore_guest_registers_from_rcx
    vmresume                                // failed, with CF or ZF set, if it goes on

.balign 64
.global vmx_exit_entry
vmx_exit_entry:                             // after an exit RFLAGS is 2
    enter_from_guest
    save_guest 0, rax
    jbe 3f
    read_field VMCS_EXIT_REASON, %rsi
    cmp $VMX_EXIT_CPUID, %rsi
    jne 2f
    save_rest_of_guest
    save_cr2
    cmpl $0, VCPU_GROUPS_CPUID(%rdi)
    jne 5f
    read_field VMCS_INSTRUCTION_LENGTH, %rcx
    read_field VMCS_GUEST_RIP, %r13
    movzbl VCPU_OSXSAVE(%rdi), %r10d
    shl $63, %r10
    mov VCPU_FPU(%rdi), %rax
    or FPU_XCR0(%rax), %r10
    movb %cl, VCPU_INSTRUCTION_LENGTH(%rdi)
    movb $0, VCPU_INJECTING(%rdi)
    movb $1, VCPU_LAUNCHED(%rdi)
    send_cpuid_exit leave_by_sysexit

2:  cmp $VMX_EXIT_IO, %rsi
    jne 4f
    read_field VMCS_QUALIFICATION, %r8
    mov %r8d, %ecx
    and $VMX_PORT_KEY_MASK, %ecx
    find_doorbell 6f
    read_field VMCS_GUEST_INTERRUPTIBILITY, %rdx
    test $3, %dl                            // an interrupt shadow
    jnz 6f
    read_field VMCS_GUEST_RFLAGS, %rdx
    bt $8, %edx                             // TF
    jc 6f
    cmpl $0, VCPU_EVENTS(%rdi)
    jne 6f
    read_field VMCS_INSTRUCTION_LENGTH, %rdx
    read_field VMCS_GUEST_RIP, %rcx
    add %rcx, %rdx
    mov $VMCS_GUEST_RIP, %eax
    vmwrite %rdx, %rax
    movb $0, VCPU_INJECTING(%rdi)
    movb $1, VCPU_LAUNCHED(%rdi)
    ring_doorbell 7f
    each_changing load_guest                // nothing here changes CR2
    load_guest 0, rax
    load_guest 7, rdi
    vmresume
    mov CPU(CPU_RUNNING), %rsp              // failed; the flags say how
    lea (VCPU_FRAME + GUEST_REGISTERS_SIZE)(%rsp), %rsp
    jmp vmx_exit_entry

3:  save_rest_of_guest
    save_cr2
    call vmx_entry_failed
4:  save_rest_of_guest
    save_cr2
5:  call vmx_exit                           // RSI is the reason
6:  save_rest_of_guest
    save_cr2
    mov %r8, %rsi                           // the qualification
    call vmx_io_exit
7:  save_rest_of_guest
    save_cr2
    call leave_behind_doorbell

// [[noreturn]] void vmx_enter(GuestFrame& frame, bool launched)
.global vmx_enter
vmx_enter:
    test %sil, %sil
    jnz vmx_resume_guest
    mov GUEST_CR2(%rdi), %rax
    mov %rax, %cr2
    mov %rdi, %rsp
    pop %rax
    pop %rcx
    restore_guest_registers_from_rcx
    vmlaunch
    jmp vmx_exit_entry                      // likewise
