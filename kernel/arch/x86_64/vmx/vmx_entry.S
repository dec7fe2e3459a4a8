// SPDX-License-Identifier: Apache-2.0
// Into a guest and out of it. HOST_RSP points to the end of the register file in the vCPU, so the exit pushes the
// registers right where they belong; what stands behind is the kernel's stack. While RSP is there no interrupt can come
// (IF=0), and NMI, #MC and #DF have stacks of their own.
#include "kernel/arch/x86_64/guest_frame.h"

.section .text.vmx_entry, "ax"

// [[noreturn]] void vmx_enter(GuestFrame& frame, bool launched)
.global vmx_enter
vmx_enter:
    mov GUEST_CR2(%rdi), %rax
    mov %cr2, %rcx
    cmp %rax, %rcx
    je 1f
    mov %rax, %cr2
1:  mov %rdi, %rsp
    test %sil, %sil                     // POP leaves the flags alone
    pop %rax
    pop %rcx
    restore_guest_registers_from_rcx
    jz 2f
    vmresume
    jmp vmx_exit_entry                  // failed, with CF or ZF set
2:  vmlaunch

.global vmx_exit_entry
vmx_exit_entry:                         // after an exit RFLAGS is 2
    save_guest_registers 1
    mov %rsp, %rdi
    mov GUEST_FRAME_STACK(%rsp), %rsp
    mov $0, %ebp
    jbe 3f
    call vmx_exit
    ud2
3:  call vmx_entry_failed
    ud2

.section .note.GNU-stack, "", @progbits
