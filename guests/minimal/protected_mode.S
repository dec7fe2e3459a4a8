// SPDX-License-Identifier: Apache-2.0
// Protected mode without paging: flat segments, a push and a pop, CR0 as it is.
.code32
    mov $0xe0, %edx
    push $0x55aa55aa
    pop %eax
    out %eax, %dx
    mov %cr0, %eax
    and $0x80000001, %eax
    out %eax, %dx
    // Paging switched on by the guest: a page directory of 4 MiB pages at 0x20000.
    mov $0x00000083, %eax
    mov %eax, 0x20000
    mov %cr4, %eax
    or $0x10, %eax
    mov %eax, %cr4
    mov $0x20000, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    mov $0x77, %eax
    out %eax, %dx
    xor %eax, %eax
    out %al, $0xf4
1:  hlt
    jmp 1b
