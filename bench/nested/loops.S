// SPDX-License-Identifier: Apache-2.0
// The loop guest: see loops.hpp for its orders and results. 64-bit mode, linked for guest-physical 0x1000.
#include "guests/minimal/guest.inc"

#define ORDERS 0xe000
#define TEST_PORT 0xe4
#define DOORBELL_PORT 0xe6
#define INTERRUPT_PORT 0xea
#define TEST_MMIO 0x3f000000
#define DOORBELL_MMIO 0x3f001000
#define VECTOR 0x40
#define APIC_BASE_MSR 0x1b
#define X2APIC_SPURIOUS 0x80f

// One round is RDTSC, MOV, the body, RDTSC. What is not the operation itself is subtracted: two of these, and `extra`
// instructions of the body. RDX, RAX are lost; R8 has the start, R10 the least, ESI the rounds to go.
.macro round_begins
1:  rdtsc
    mov %eax, %r8d
.endm
.macro round_ends extra
    rdtsc
    sub %r8d, %eax
    sub $(2 + \extra), %eax
    cmp %r10d, %eax
    cmovb %eax, %r10d
    dec %esi
    jnz 1b
    jmp finished
.endm

    load_idt
    gate VECTOR, on_interrupt
next:
    mov ORDERS, %ebx
    mov ORDERS + 4, %esi
    mov $-1, %r10d
    cmp $6, %ebx
    jne 2f
    write_msr APIC_BASE_MSR, 0xfee00d00         // x2APIC, bootstrap processor
    write_msr X2APIC_SPURIOUS, 0x1ff
2:  rdtsc
    shl $32, %rdx
    lea (%rax, %rdx), %r12
    cmp $1, %ebx
    je cpuid_rounds
    cmp $2, %ebx
    je port_rounds
    cmp $3, %ebx
    je mmio_rounds
    cmp $4, %ebx
    je port_doorbell_rounds
    cmp $5, %ebx
    je mmio_doorbell_rounds
    cmp $6, %ebx
    je interrupt_rounds
finished:
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    sub %r12, %rax
    mov %r10, RESULTS
    mov %rax, RESULTS + 8
    out %al, $FINISH_PORT
    jmp next

cpuid_rounds:
    round_begins
    mov $1, %eax
    xor %ecx, %ecx
    cpuid
    round_ends 2
port_rounds:
    round_begins
    out %al, $TEST_PORT
    round_ends 0
mmio_rounds:
    round_begins
    mov %eax, TEST_MMIO
    round_ends 0
port_doorbell_rounds:
    round_begins
    out %al, $DOORBELL_PORT
    round_ends 0
mmio_doorbell_rounds:
    round_begins
    mov %eax, DOORBELL_MMIO
    round_ends 0

// From the doorbell to the first instruction of the handler, which leaves its time in R9.
interrupt_rounds:
1:  rdtsc
    mov %eax, %r8d
    out %al, $INTERRUPT_PORT
    sti
    hlt
    cli
    mov %r9d, %eax
    sub %r8d, %eax
    cmp %r10d, %eax
    cmovb %eax, %r10d
    dec %esi
    jnz 1b
    jmp finished
on_interrupt:
    rdtsc
    mov %eax, %r9d
    end_of_interrupt
    iretq
