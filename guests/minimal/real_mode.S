// SPDX-License-Identifier: Apache-2.0
// Real mode: starts with CS 0, reaches its data through DS, and jumps to another segment.
.code16
    mov $0x1234, %ax
    mov $0xe0, %dx
    movzwl %ax, %eax
    out %eax, %dx
    mov $0x0f00, %bx
    mov %bx, %ds
    movw $0xbeef, 0
    mov %cs, %ax
    movzwl %ax, %eax
    out %eax, %dx
    ljmp $0x100, $(next - 0x1000)
next:
    mov %cs, %ax
    movzwl %ax, %eax
    out %eax, %dx
    xor %ax, %ax
    out %al, $0xf4
1:  hlt
    jmp 1b
