// SPDX-License-Identifier: Apache-2.0
// From the real mode a started processor wakes up in to cpu_main in long mode. Copied to AP_TRAMPOLINE, where it runs:
// all addresses are computed for that place. Processors come one after the other; the bootstrap processor fills in the
// parameters for each (smp.cpp).
#include "kernel/arch/x86_64/asm_constants.h"

#define PLACED(symbol) (symbol - ap_trampoline_start + AP_TRAMPOLINE)

.section .rodata.ap_trampoline, "a"
.balign 16
.global ap_trampoline_start, ap_trampoline_parameters
.code16
ap_trampoline_start:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    lgdtl PLACED(ap_gdt_pointer)
    mov $0x11, %eax                                     // CR0: ET, PE; caches on
    mov %eax, %cr0
    ljmpl $SELECTOR_AP_CODE_32, $PLACED(ap_protected)

.code32
ap_protected:
    mov $SELECTOR_KERNEL_STACK, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $0x20, %eax                                     // CR4.PAE
    mov %eax, %cr4
    mov PLACED(ap_root), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx                               // EFER
    rdmsr
    or $0x900, %eax                                     // long mode, execute disable
    wrmsr
    mov $0x80010033, %eax                               // CR0: PG, WP, NE, ET, MP, PE
    mov %eax, %cr0
    ljmp $SELECTOR_KERNEL_CODE, $PLACED(ap_long)

.code64
ap_long:
    mov PLACED(ap_stack), %rsp
    mov %rsp, %rdi                                      // first argument: Cpu
    and $-CPU_BLOCK_SIZE, %rdi
    xor %ebp, %ebp                                      // ends the backtrace
    mov PLACED(ap_entry), %rax
    call *%rax
    ud2

.balign 8
ap_gdt:
    .quad 0
    .quad 0x00af9b000000ffff                            // SELECTOR_KERNEL_CODE
    .quad 0x00cf93000000ffff                            // SELECTOR_KERNEL_STACK
    .quad 0x00cf9b000000ffff                            // SELECTOR_AP_CODE_32
ap_gdt_pointer:
    .short ap_gdt_pointer - ap_gdt - 1
    .long PLACED(ap_gdt)
.balign 8
ap_trampoline_parameters:                               // struct TrampolineParameters
ap_root:
    .quad 0
ap_stack:
    .quad 0
ap_entry:
    .quad 0
.org ap_trampoline_start + AP_TRAMPOLINE_SIZE
