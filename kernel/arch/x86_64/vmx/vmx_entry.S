// SPDX-License-Identifier: Apache-2.0
// Into a guest and out of it. HOST_RSP points to the end of the register file in the vCPU, so the exit pushes the
// registers right where they belong; what stands behind is the kernel's stack. While RSP is there no interrupt can come
// (IF=0), and NMI, #MC and #DF have stacks of their own.
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
    save_guest_registers
    lea -VCPU_FRAME(%rsp), %rdi
    mov GUEST_FRAME_STACK(%rsp), %rsp
    mov $0, %ebp
    jbe 3f
    read_field VMCS_EXIT_REASON, %r12
    cmp $VMX_EXIT_CPUID, %r12
    jne 2f
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

2:  cmp $VMX_EXIT_IO, %r12
    jne 4f
    read_field VMCS_QUALIFICATION, %r12
    mov %r12d, %ecx
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
    lea VCPU_FRAME(%rbx), %rsp              // nothing here changes CR2
    pop %rax
    pop %rcx
    restore_guest_registers_from_rcx
    vmresume
    jmp vmx_exit_entry                      // failed

4:  save_cr2
5:  mov %r12, %rsi                          // the exit reason
    call vmx_exit
6:  save_cr2
    mov %r12, %rsi                          // the qualification
    call vmx_io_exit
7:  mov %rbx, %rdi
    save_cr2
    call leave_behind_doorbell
3:  save_cr2
    call vmx_entry_failed

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

.section .note.GNU-stack, "", @progbits
