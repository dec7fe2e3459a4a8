// SPDX-License-Identifier: Apache-2.0
// Writes and reads about three doorbells (0x80: a byte, 0x310: two, 0x320: four), a report behind each; the test knows
// which ring. With STEPPED set, TF is on all the time.
#include "guests/minimal/guest.inc"

#define STEP_VECTOR 1
#define VECTOR 0x40
#define STEPPED (RESULTS + 0x100)

    gate STEP_VECTOR, stepped
    gate VECTOR, interrupted
    load_idt
    cld
    cmpl $0, STEPPED
    je 1f
    pushf
    orq $0x100, (%rsp)
    popf
1:  xor %ebx, %ebx
.macro step instruction:vararg
    \instruction
    inc %ebx
    mov %rax, %r8
    report %ebx
    mov %r8, %rax
.endm

    mov $0x11223344, %eax
    step out %al, $0x80
    mov $0x80, %edx
    step out %al, %dx
    step out %ax, %dx           // 3: too wide
    mov $0x310, %edx
    step out %ax, %dx
    step out %al, %dx           // 5: too narrow
    step out %eax, %dx          // 6: too wide
    step in %dx, %ax            // 7
    mov $0x311, %edx
    step out %al, %dx           // 8: its second half
    step out %ax, %dx           // 9: beside it
    mov $0x320, %edx
    step out %eax, %dx
    step out %ax, %dx           // 11
    mov $0x31e, %edx
    step out %eax, %dx          // 12: half before it
    mov $text, %esi
    mov $0x80, %edx
    step outsb                  // 13
    mov $1, %ecx
    step rep outsb              // 14
    mov $0x310, %edx
    step outsw                  // 15

    // Registers and flags stay.
    mov $0x1000001, %eax
    mov $0x2000002, %ebx
    mov $0x3000003, %ecx
    mov $0x80, %edx
    mov $0x5000005, %esi
    mov $0x6000006, %edi
    mov $0x7000007, %ebp
    mov %rsp, %r8
    mov $0x9000009, %r9d
    mov $0xa00000a, %r10d
    mov $0xb00000b, %r11d
    mov $0xc00000c, %r12d
    mov $0xd00000d, %r13d
    mov $0xe00000e, %r14d
    movabs $0xf00000f00000000f, %r15
    stc
    out %al, %dx
    setc RESULTS
    mov %eax, RESULTS + 8
    mov %ebx, RESULTS + 12
    mov %ecx, RESULTS + 16
    mov %edx, RESULTS + 20
    mov %esi, RESULTS + 24
    mov %edi, RESULTS + 28
    mov %ebp, RESULTS + 32
    sub %rsp, %r8
    mov %r8d, RESULTS + 36
    mov %r9d, RESULTS + 40
    mov %r10d, RESULTS + 44
    mov %r11d, RESULTS + 48
    mov %r12d, RESULTS + 52
    mov %r13d, RESULTS + 56
    mov %r14d, RESULTS + 60
    mov %r15, RESULTS + 64
    report $0x20
    cmpl $0, STEPPED
    jne 9f

    // The shadow of STI ends with the OUT: the interrupt that the report brings comes right behind it.
    xor %eax, %eax
    report $0x30
    sti
    out %al, $0x80
behind_shadow:
    nop
    cli
    report $0x31

    // TF: #DB comes behind it as behind any other instruction.
    pushf
    orq $0x100, (%rsp)
    popf
    out %al, $0x80
behind_step:
    pushf
    andq $~0x100, (%rsp)
    popf
    report $0x41
9:  finish

interrupted:
    cmpq $behind_shadow, (%rsp)
    jne 1f
    report $0x40
1:  end_of_interrupt
    iretq

stepped:
    cmpq $behind_step, (%rsp)
    jne 1f
    push %rax
    report $0x66
    pop %rax
1:  iretq

text:
    .ascii "abcd"
