// SPDX-License-Identifier: Apache-2.0
// What a CPU has loaded on behalf of user space besides the general registers: page tables, ports, segment bases, FPU.
// Each is changed only when the next thread needs something else than what is loaded.
//
// Concurrency: on the CPU it is about, with interrupts off.
#pragma once

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/object/thread.hpp"

namespace bulkhead::kernel {

/// Makes a frame of zeroes one with which a thread starts in ring 3.
void initialise_user_frame(UserFrame& frame, uint64_t entry, uint64_t stack, uint64_t kernel_stack_top);
/// Makes the frame one of a program about to return from the stub page; RSP and the registers of results stay.
void prepare_return_from_stub(RegisterFrame& frame);
/// Makes the frame of a system call one that makes the same call again.
void prepare_system_call_again(RegisterFrame& frame);
/// Loads the FPU registers, segment bases and ports of a thread, or takes away what is loaded; then goes on with it.
[[noreturn]] void switch_more(Cpu& cpu, Thread& thread);
inline void load_root_table(Cpu& cpu, PhysicalAddress root) {
    if (cpu.loaded_root == root) return;
    cpu.loaded_root = root;
    write_cr3(root.value());
}
/// Goes on with a thread, the running one, in ring 3.
[[noreturn]] inline void return_to_thread(Cpu& cpu, Thread& thread) {
    load_root_table(cpu, thread.space_root());
    cpu.task_state->segment.rsp[0] = reinterpret_cast<uint64_t>(&thread.frame() + 1);  // where the next entry pushes
    if ((thread.switched() | cpu.switched) != 0) [[unlikely]]
        switch_more(cpu, thread);
    return_to_user(thread.frame());
}

/// If this CPU is in the address space of a root table: forgets its translations, but the kernel's.
void flush_root_table(PhysicalAddress root);
/// No CPU has the domain's tables loaded when this returns. Under the configuration lock.
void forget_domain(const Domain& domain);

/// Lets pending interrupts in: between the steps of long operations, with the configuration lock at most held.
inline void let_interrupts_in() { asm volatile("sti; nop; cli" : : : "memory"); }

/// Physical address of the page through which programs enter the kernel; made at boot.
PhysicalAddress stub_page();
/// Fills it. Once.
void make_stub_page(const abi::SystemInformation& information);
/// Sets the MSRs through which this CPU's programs enter the kernel, and the words that the hand-laid paths compare.
void enable_system_calls(Cpu& cpu);

/// Whether programs are returned to by SYSEXIT, or by SYSRET; constant after boot, for the entry code.
extern "C" bool returns_by_sysexit;

/// How this machine runs guests; None if it cannot.
abi::Virtualization virtualization();

}  // namespace bulkhead::kernel
