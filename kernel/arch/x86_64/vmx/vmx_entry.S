// SPDX-License-Identifier: Apache-2.0
// Into a guest and out of it. HOST_RSP points to the end of the register file in the vCPU, so the exit finds the vCPU
// there; what stands behind is the kernel's stack. While RSP is there no interrupt can come (IF=0), and NMI, #MC and #DF
// have stacks of their own.
#include "kernel/arch/x86_64/hot_paths.h"

.macro read_field field, to
    mov $\field, %eax
    vmread %rax, \to
.endm

// To \unusual if more is to be done for the guest to go on behind its instruction than to change RIP. RDX is lost.
.macro test_guest_flags unusual
    mov $VMCS_GUEST_INTERRUPTIBILITY, %edx
    vmread %rdx, %rdx
    test $3, %dl                            // an interrupt shadow
    jnz \unusual
    mov $VMCS_GUEST_RFLAGS, %edx
    vmread %rdx, %rdx
    bt $8, %edx                             // TF
    jc \unusual
.endm

// Behind the last test of an entry's flags: MOV from CR2 leaves them undefined (SDM vol. 2B, MOV).
.macro save_rest_and_cr2
    save_rest_of_guest
    mov %cr2, %rax
    mov %rax, (VCPU_FRAME + GUEST_CR2)(%rdi)
.endm

// Into the guest whose frame is in RDI. If \instruction fails, with CF or ZF set, it goes on.
.macro enter_guest instruction
    mov GUEST_CR2(%rdi), %rax
    mov %cr2, %rcx
    cmp %rax, %rcx
    je 775f
    mov %rax, %cr2
775:mov %rdi, %rsp
    pop %rax
    restore_guest_registers
    \instruction
.endm

.section .text.vmx_entry, "ax"

// The reply to a guest's exit, from syscall_entry.S.
export reply_to_vmx_guest, align=64
    test_reply_to_vcpu
    test_guest_flags reply_to_vcpu_slowly
    finish_exit
    mov $VMCS_GUEST_RIP, %edx
    vmwrite %rax, %rdx
    announce_guest
    mov VCPU_HOST_SPACE(%rcx), %rax         // what the exit loads
    mov %rax, CPU(CPU_LOADED_ROOT)
    mov %rdi, CPU(CPU_FS_BASE)
    mov %rdi, CPU(CPU_GS_BASE)
    movb $1, CPU(CPU_TASK_REGISTER_CUT)
    lea VCPU_FRAME(%rcx), %rdi

vmx_resume_guest:                           // RDI is the frame
    enter_guest vmresume

export vmx_exit_entry, align=64             // after an exit RFLAGS is 2
    enter_from_guest
    save GUEST, VCPU_FRAME(%rdi), rax
    jbe 3f
    read_field VMCS_EXIT_REASON, %rsi
    cmp $VMX_EXIT_CPUID, %rsi
    jne 2f
    save_rest_and_cr2
    cmpl $0, VCPU_GROUPS_CPUID(%rdi)
    jne 5f
    read_field VMCS_INSTRUCTION_LENGTH, %r12
    read_field VMCS_GUEST_RIP, %r13
    movzbl VCPU_OSXSAVE(%rdi), %r10d
    shl $63, %r10
    movb $0, VCPU_INJECTING(%rdi)
    movb $1, VCPU_LAUNCHED(%rdi)
    send_cpuid_exit leave_by_sysexit

2:  cmp $VMX_EXIT_IO_INSTRUCTION, %rsi
    jne 4f
    read_field VMCS_QUALIFICATION, %r8
    mov %r8d, %ecx
    and $VMX_PORT_KEY_MASK, %ecx
    find_doorbell 6f
    test_guest_flags 6f
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
    load GUEST, VCPU_FRAME(%rdi), CHANGING_REGISTERS, rax, rdi      // nothing here changes CR2
    vmresume
    mov CPU(CPU_RUNNING), %rsp              // failed; the flags say how
    lea (VCPU_FRAME + GUEST_REGISTERS_SIZE)(%rsp), %rsp
    jmp vmx_exit_entry

3:  save_rest_and_cr2
    call vmx_entry_failed
4:  save_rest_and_cr2
5:  call vmx_exit                           // RSI is the reason
6:  save_rest_and_cr2
    mov %r8, %rsi                           // the qualification
    call vmx_io_exit
7:  save_rest_and_cr2
    call leave_behind_doorbell

// [[noreturn]] void vmx_enter(GuestFrame& frame, bool launched)
export vmx_enter
    test %sil, %sil
    jnz vmx_resume_guest
    enter_guest vmlaunch
    jmp vmx_exit_entry                      // likewise
