// SPDX-License-Identifier: Apache-2.0
// The guest of the VM benchmarks (bench/micro/vm.cpp): does one operation a number of times and leaves in memory how
// many ticks that took. Which one, how often, and the results stand in fixed places that the monitor reads and writes.
// What an operation needs is set up outside its loop, so that an iteration is the instruction itself, DEC and JNZ; the
// operation `nothing` is the same loop without an instruction, to be taken off.
#include "guests/minimal/guest.inc"

#define OPERATION 0x600         // index into the table below
#define ITERATIONS 0x608
#define TICKS 0x610             // of the whole loop
#define RAISED_AT 0x618         // TSC when an interrupt was caused, by whoever causes it
#define LATENCY 0x620           // sum, from RAISED_AT to the first instruction of the handler
#define INTERRUPTS 0x628
#define SECOND_READY 0x630      // the second vCPU waits for interrupts
#define TRACED 0x638            // one more round, between two magic breakpoints of Bochs
#define MMIO 0x20000000
#define FAULTING 0x10000000
#define DOORBELL_PORT 0x54
#define TSC_DEADLINE 0x6e0
#define X2APIC_ICR 0x830
#define LATENCY_VECTOR 0x40
#define FIRST_VECTOR 0x41       // the second vCPU's answer
#define SECOND_VECTOR 0x42

    gate LATENCY_VECTOR, measure_latency
    gate FIRST_VECTOR, count_interrupt
    gate SECOND_VECTOR, answer_interrupt
    load_idt
    mov OPERATION, %eax
    mov operations(, %rax, 4), %eax
    jmp *%rax

// The TSC into a register; RAX and RDX are lost.
.macro tsc register
    rdtsc
    shl $32, %rdx
    lea (%rax, %rdx), \register
.endm

// Bochs's debugger stops here.
.macro magic_breakpoint
    xchg %bx, %bx
.endm

// A loop of ITERATIONS rounds; what is in registers was put there before.
.macro timed_loop first:vararg
    mov ITERATIONS, %r15
    mov %rax, %r13
    mov %rdx, %r12
    tsc %r14
    mov %r13, %rax
    mov %r12, %rdx
1:  \first
    dec %r15
    jnz 1b
    cmpl $0, TRACED
    je loop_done
    magic_breakpoint
    \first
    magic_breakpoint
    jmp loop_done
.endm

loop_done:
    cli
    tsc %r13
    sub %r14, %r13
    mov %r13, TICKS
    finish

nothing:
    timed_loop
cpuid_exit:
    timed_loop cpuid
hypercall_intel:
    timed_loop vmcall
hypercall_amd:
    timed_loop vmmcall
port_write:
    timed_loop out %al, $0x10
port_read:
    timed_loop in $0x10, %al
mmio_write:
    mov $MMIO, %edi
    timed_loop mov %eax, (%rdi)
mmio_read:
    mov $MMIO, %edi
    timed_loop mov (%rdi), %eax
msr_write:
    mov $0x40000aaa, %ecx
    timed_loop wrmsr
msr_read:
    mov $0x40000aaa, %ecx
    timed_loop rdmsr
absorbed_msr_write:             // the task-priority register: the kernel's own business
    mov $X2APIC_TPR, %ecx
    xor %eax, %eax
    xor %edx, %edx
    timed_loop wrmsr
timer_write:                    // a deadline far away, absorbed
    mov $TSC_DEADLINE, %ecx
    mov $-1, %eax
    mov $0x0fffffff, %edx
    timed_loop wrmsr

// A page that is not there, each time another: one instruction more than the loops above.
nested_fault:
    mov $FAULTING, %edi
    mov ITERATIONS, %r15
    tsc %r14
1:  mov (%rdi), %eax
    add $4096, %rdi
    dec %r15
    jnz 1b
    jmp loop_done

// An interrupt sent to itself and its EOI, both absorbed.
self_interrupt:
    mov $X2APIC_SELF_IPI, %ecx
    mov $FIRST_VECTOR, %eax
    xor %edx, %edx
    sti
    timed_loop wrmsr

// The monitor posts an interrupt while it answers an exit.
inject_on_exit:
    sti
    mov ITERATIONS, %r15
    tsc %r14
1:  tsc %r13
    mov %r13, RAISED_AT
    out %al, $0x51
    nop
    dec %r15
    jnz 1b
    jmp loop_done

// A port write that the kernel turns into a signal.
doorbell:
    timed_loop out %al, $DOORBELL_PORT

// The same for a thread that waits for the signal but is less urgent than the guest: the OUT alone, less two readings of
// the TSC with nothing between. The thread runs while the guest sleeps, and its interrupt wakes the guest. The first
// round, not counted, makes it wait.
doorbell_waiter:
    rdtsc
    mov %eax, %ecx
    rdtsc
    sub %ecx, %eax
    mov %eax, %r12d
    mov ITERATIONS, %r15
    inc %r15
1:  xor %r13d, %r13d
2:  rdtsc
    mov %eax, %r8d
    out %al, $DOORBELL_PORT
    rdtsc
    sub %r8d, %eax
    sub %r12d, %eax
    add %rax, %r13
    sti
    hlt
    cli
    dec %r15
    cmp ITERATIONS, %r15
    je 1b
    test %r15, %r15
    jnz 2b
    mov %r13, TICKS
    cmpl $0, TRACED
    je 3f
    magic_breakpoint
    out %al, $DOORBELL_PORT
    magic_breakpoint
3:  finish

// The same for a thread more urgent than the guest, which answers with an interrupt at once.
doorbell_to_interrupt:
    sti
    mov ITERATIONS, %r15
    tsc %r14
1:  tsc %r13
    mov %r13, RAISED_AT
    out %al, $DOORBELL_PORT
    nop
    dec %r15
    jnz 1b
    cmpl $0, TRACED
    je loop_done
    magic_breakpoint
    out %al, $DOORBELL_PORT
    magic_breakpoint
    jmp loop_done

// Waits for interrupts from another thread; each HLT is one round.
halt:
    mov ITERATIONS, %r15
    tsc %r14
    cli
1:  sti
    hlt
    cli
    dec %r15
    jnz 1b
    jmp loop_done

// A deadline shortly ahead, and what is late about its interrupt.
timer:
    mov ITERATIONS, %r15
    tsc %r14
1:  mov INTERRUPTS, %r12
    tsc %r13
    add $20000, %r13
    mov %r13, RAISED_AT
    mov %r13, %rax
    mov %r13, %rdx
    shr $32, %rdx
    mov $TSC_DEADLINE, %ecx
    wrmsr
    sti
2:  cmp INTERRUPTS, %r12
    je 2b
    cli
    dec %r15
    jnz 1b
    jmp loop_done

// An interrupt to the second vCPU, which sends one back; this one sleeps meanwhile.
ipi:
    out %al, $0x50              // the monitor starts the second
1:  cmpl $0, SECOND_READY
    je 1b
    mov ITERATIONS, %r15
    tsc %r14
    cli
2:  mov $X2APIC_ICR, %ecx
    mov $SECOND_VECTOR, %eax
    mov $1, %edx
    wrmsr
    sti
    hlt
    cli
    dec %r15
    jnz 2b
    jmp loop_done

measure_latency:
    push %rax
    push %rdx
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    sub RAISED_AT, %rax
    add %rax, LATENCY
    incq INTERRUPTS
    push %rcx
    end_of_interrupt
    pop %rcx
    pop %rdx
    pop %rax
    iretq

count_interrupt:
    begin_handler
    end_handler

answer_interrupt:
    push %rax
    push %rcx
    push %rdx
    end_of_interrupt
    mov $X2APIC_ICR, %ecx
    mov $FIRST_VECTOR, %eax
    xor %edx, %edx
    wrmsr
    pop %rdx
    pop %rcx
    pop %rax
    iretq

.balign 4
operations:
    .long nothing, cpuid_exit, hypercall_intel, hypercall_amd, port_write, port_read, mmio_write, mmio_read
    .long msr_write, msr_read, absorbed_msr_write, timer_write, nested_fault, self_interrupt, inject_on_exit, halt
    .long timer, ipi, doorbell, doorbell_waiter, doorbell_to_interrupt

.org 0x1000                     // guest-physical 0x2000: where the second vCPU starts
    lidt second_idt(%rip)
    movl $1, SECOND_READY
3:  sti
    hlt
    jmp 3b
second_idt:
    .word 0xfff
    .quad IDT
