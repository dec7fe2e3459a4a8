// SPDX-License-Identifier: Apache-2.0
// Into a guest and out of it. #VMEXIT restores RSP and RAX as VMRUN found them: RSP at the end of the register file in
// the vCPU, where the registers are pushed, RAX the VMCB. GIF is 0 from before the entry until `SvmBackend::leave`.
// VMRUN takes the host's IF for what interrupts the guest: it has to be 1, which has no effect while GIF is 0.
#include "kernel/arch/x86_64/guest_frame.h"

.section .text.svm_entry, "ax"

// [[noreturn]] void svm_enter(GuestFrame& frame, uint64_t vmcb)
.global svm_enter
svm_enter:
    sti                                 // not right before VMRUN: QEMU would take its shadow into the guest
    mov %rsi, %rax
    lea 8(%rdi), %rsp                   // the guest's RAX is in the VMCB
    pop %rcx
    restore_guest_registers_from_rcx
    vmrun
    cli
    save_guest_registers 0
    mov %rsp, %rdi
    mov GUEST_FRAME_STACK(%rsp), %rsp
    mov $0, %ebp
    call svm_exit
    ud2

.section .note.GNU-stack, "", @progbits
