// SPDX-License-Identifier: Apache-2.0
// From Multiboot2's machine state (32-bit protected mode, paging off) to kernel_main in long mode on the boot stack.
// Runs once, on the bootstrap processor. The boot tables map the first 4 GiB three times: where they are (only until
// the kernel's own tables are loaded), in the direct map, and the first GiB at the image's address.
#include "kernel/arch/x86_64/asm_constants.h"

#define MULTIBOOT2_MAGIC 0xe85250d6
#define MULTIBOOT2_LOADED 0x36d76289
#define PHYSICAL(symbol) (symbol - IMAGE_BASE)
#define PRESENT_WRITE 0x3
#define PRESENT_WRITE_LARGE 0x83
#define COM1 0x3f8

.macro out_byte port, value
    mov $(\port), %dx
    mov $(\value), %al
    out %al, %dx
.endm

// Until a bit of the line status is set, or for long enough.
.macro wait_for_uart bit
    mov $100000, %ecx
    mov $(COM1 + 5), %dx
771:
    in %dx, %al
    test $(\bit), %al
    loopz 771b
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
    mov $boot_stack_end, %esp
    cmp $MULTIBOOT2_LOADED, %eax
    jne not_multiboot
    mov %ebx, %ebp                                      // boot information; CPUID clobbers EBX

    mov $0x80000000, %eax                               // highest extended leaf
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx                                        // long mode
    jnc no_long_mode
    bt $20, %edx                                        // execute disable
    jnc no_execute_disable

    mov $boot_root, %eax
    mov %eax, %cr3
    mov $0x20, %eax                                     // CR4.PAE alone
    mov %eax, %cr4
    mov $0xc0000080, %ecx                               // EFER
    rdmsr
    or $0x900, %eax                                     // long mode, execute disable
    wrmsr
    mov $0x80010033, %eax                               // CR0: PG, WP, NE, ET, MP, PE
    mov %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $SELECTOR_KERNEL_CODE, $boot_long

.code64
boot_long:
    mov $SELECTOR_KERNEL_STACK, %eax
    mov %eax, %ss
    xor %eax, %eax
    .irp segment, ds, es, fs, gs
    mov %eax, %\segment
    .endr
    mov %ebp, %edi                                      // first argument: boot information
    xor %ebp, %ebp                                      // ends the backtrace
    movabs $boot_block_stack_top, %rsp
    movabs $kernel_main, %rax
    call *%rax
    ud2

.code32
not_multiboot:
    mov $message_not_multiboot, %esi
    jmp fail
no_long_mode:
    mov $message_no_long_mode, %esi
    jmp fail
no_execute_disable:
    mov $message_no_execute_disable, %esi
fail:                                                   // ESI: text for COM1
    out_byte COM1 + 3, 0x80                             // line control: divisor access
    out_byte COM1 + 1, 0
    out_byte COM1, 1                                    // 115200
    out_byte COM1 + 3, 3                                // 8N1
1:  lodsb
    test %al, %al
    jz 3f
    mov %al, %bl
    wait_for_uart 0x20
    mov %bl, %al
    mov $COM1, %dx
    out %al, %dx
    jmp 1b
3:  wait_for_uart 0x40                                  // until the last bit is out
    mov $1, %al                                         // isa-debug-exit of QEMU: status 3
    out %al, $0xf4
    mov $0x8900, %dx                                    // the same of Bochs
    mov $message_shutdown, %esi
    mov $8, %ecx
    rep outsb
5:  cli
    hlt
    jmp 5b

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
boot_gdt_pointer:
    .short . - boot_gdt - 1
    .quad boot_gdt

.balign 4096
boot_root:
    .quad boot_low + PRESENT_WRITE
    .fill 255, 8, 0
    .quad boot_low + PRESENT_WRITE
    .fill 254, 8, 0
    .quad boot_high + PRESENT_WRITE
boot_low:
    .irp gib, 0, 1, 2, 3
    .quad boot_directories + \gib * 4096 + PRESENT_WRITE
    .endr
    .fill 508, 8, 0
boot_high:
    .fill 510, 8, 0
    .quad boot_directories + PRESENT_WRITE
    .quad 0
boot_directories:                                       // 2048 pages of 2 MiB
.set address, 0
.rept 2048
    .quad address + PRESENT_WRITE_LARGE
    .set address, address + 0x200000
.endr

.section .boot.bss, "aw", @nobits
    .skip 256
boot_stack_end:

// The CPU block of the time before there are CPU blocks: Cpu::current() works, and finds zeroes.
.section .bss.boot_block, "aw", @nobits
.balign CPU_BLOCK_SIZE
.global boot_block
boot_block:
    .skip CPU_STACK_TOP
boot_block_stack_top:
