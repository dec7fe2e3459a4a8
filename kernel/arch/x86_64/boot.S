// SPDX-License-Identifier: Apache-2.0
// The way of each CPU into C++ in long mode: of the bootstrap processor from Multiboot2's machine state (32-bit
// protected mode, paging off), of the others from real mode. The boot tables map the first 4 GiB three times: where
// they are (only until a CPU loads the kernel's own tables), in the direct map, and the first GiB at the image's address.
#include "kernel/arch/x86_64/asm_constants.h"

#define MULTIBOOT2_MAGIC 0xe85250d6
#define MULTIBOOT2_LOADED 0x36d76289
#define PRESENT_WRITE 0x3
#define PRESENT_WRITE_LARGE 0x83
#define COM1 0x3f8
#define PLACED(symbol) (symbol - ap_trampoline + AP_TRAMPOLINE)

.macro out_byte port, value
    mov $(\port), %dx
    mov $(\value), %al
    out %al, %dx
.endm

.section .multiboot, "a"
.balign 8
multiboot_header:
    .long MULTIBOOT2_MAGIC
    .long 0                                             // i386, protected mode
    .long multiboot_header_end - multiboot_header
    .long -(MULTIBOOT2_MAGIC + multiboot_header_end - multiboot_header)
    .balign 8
    .short 6, 0                                         // modules on page boundaries
    .long 8
    .balign 8
    .short 0, 0                                         // end of tags
    .long 8
multiboot_header_end:

.section .boot.text, "ax"
.code32
.global boot_entry
boot_entry:
    cli
    cld
    cmp $MULTIBOOT2_LOADED, %eax
    mov $message_not_multiboot, %esi
    jne fail
    mov %ebx, %ebp                                      // boot information; CPUID clobbers EBX
    mov $0x80000000, %eax                               // highest extended leaf
    cpuid
    cmp $0x80000001, %eax
    mov $message_no_long_mode, %esi
    jb fail
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx                                        // long mode
    jnc fail
    bt $20, %edx                                        // execute disable
    mov $message_no_execute_disable, %esi
    jnc fail
    lgdt boot_gdt_pointer

enter_long_mode:                                        // every CPU; the data segments of the others are still small
    mov $boot_root, %eax
    mov %eax, %cr3
    mov $0x20, %eax                                     // CR4.PAE alone
    mov %eax, %cr4
    mov $0xc0000080, %ecx                               // EFER
    mov $0x900, %eax                                    // long mode, execute disable
    xor %edx, %edx
    wrmsr
    mov $0x80010033, %eax                               // CR0: PG, WP, NE, ET, MP, PE; as it stays
    mov %eax, %cr0
    ljmp $SELECTOR_KERNEL_CODE, $boot_long

.code64
boot_long:
    mov $SELECTOR_KERNEL_STACK, %eax
    mov %eax, %ss
    xor %eax, %eax
    .irp segment, ds, es, fs, gs
    mov %eax, %\segment
    .endr
    mov %ebp, %edi                                      // of the bootstrap processor: boot information
    movabs $enter_cpu, %rax
    jmp *%rax

.code32
fail:                                                   // ESI: text for COM1
    out_byte COM1 + 3, 0x80                             // line control: divisor access
    out_byte COM1 + 1, 0
    out_byte COM1, 1                                    // 115200
    out_byte COM1 + 3, 3                                // 8N1
1:  mov $COM1, %dx
    outsb
    mov $100000, %ecx
    mov $(COM1 + 5), %dx                                // line status
2:  in %dx, %al
    test $0x40, %al                                     // until the character is out, or for long enough
    loopz 2b
    cmpb $0, (%esi)
    jne 1b
    mov $1, %al                                         // isa-debug-exit of QEMU: status 3
    out %al, $0xf4
    mov $0x8900, %dx                                    // the same of Bochs
    mov $message_shutdown, %esi
    mov $8, %ecx
    rep outsb
3:  hlt
    jmp 3b

// Where another processor wakes up. Copied to AP_TRAMPOLINE, where it runs: addresses are computed for that place.
.section .rodata.ap_trampoline, "a"
.global ap_trampoline
.code16
ap_trampoline:
    xor %ax, %ax
    mov %ax, %ds
    lgdtl PLACED(ap_gdt_pointer)
    mov $0x11, %eax                                     // CR0: ET, PE; caches on
    mov %eax, %cr0
    ljmpl $SELECTOR_AP_CODE_32, $enter_long_mode
ap_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt
.org ap_trampoline + AP_TRAMPOLINE_SIZE

// void enter_cpu(): on the tables and the stack, and to the function, that `cpu_start` names.
.section .text.enter_cpu, "ax"
.code64
.global enter_cpu
enter_cpu:
    mov cpu_start, %rax
    mov %rax, %cr3
    mov cpu_start + 8, %rsp
    xor %ebp, %ebp                                      // ends the backtrace
    call *cpu_start + 16
    ud2

.data
.global cpu_start
cpu_start:                                              // struct CpuStart: of the bootstrap processor
    .quad boot_root, boot_block_stack_top, kernel_main

.section .boot.data, "aw"
message_not_multiboot:
    .asciz "bulkhead: not started by a Multiboot2 boot loader; use GRUB with `multiboot2`\r\nbulkhead: system halted (status 1)\r\n"
message_no_long_mode:
    .asciz "bulkhead: this CPU has no 64-bit mode\r\nbulkhead: system halted (status 1)\r\n"
message_no_execute_disable:
    .asciz "bulkhead: this CPU cannot protect data from execution (no NX)\r\nbulkhead: system halted (status 1)\r\n"
message_shutdown:
    .ascii "Shutdown"

.balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff                            // kernel code
    .quad 0x00cf93000000ffff                            // kernel stack
    .quad 0x00cf9b000000ffff                            // SELECTOR_AP_CODE_32
boot_gdt_pointer:
    .short . - boot_gdt - 1
    .long boot_gdt

.balign 4096
boot_root:
    .quad boot_table + PRESENT_WRITE
    .fill 255, 8, 0
    .quad boot_table + PRESENT_WRITE
    .fill 254, 8, 0
    .quad boot_table + PRESENT_WRITE
boot_table:                                             // for all three: 4 GiB at its start, 1 GiB towards its end
    .irp gib, 0, 1, 2, 3
    .quad boot_directories + \gib * 4096 + PRESENT_WRITE
    .endr
    .fill 506, 8, 0
    .quad boot_directories + PRESENT_WRITE
    .quad 0
boot_directories:                                       // 2048 pages of 2 MiB
.set address, 0
.rept 2048
    .quad address + PRESENT_WRITE_LARGE
    .set address, address + 0x200000
.endr

// The CPU block of the time before there are CPU blocks: Cpu::current() works, and finds zeroes.
.section .bss.boot_block, "aw", @nobits
.balign CPU_BLOCK_SIZE
    .skip CPU_STACK_TOP
boot_block_stack_top:
