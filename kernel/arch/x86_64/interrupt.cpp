// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/interrupt.hpp"

#include "kernel/debug/panic.hpp"
#include "kernel/object/interrupt.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/platform/local_apic.hpp"
#include "kernel/schedule/cross_cpu.hpp"
#include "kernel/schedule/scheduler.hpp"
#include "kernel/syscall/ipc.hpp"

namespace bulkhead::kernel {
namespace {

constexpr unsigned vectors = 256;
constexpr uint64_t stub_bytes = 16;

struct FixupEntry {
    uint64_t fault_rip;
    uint64_t continue_rip;
};

extern "C" const char interrupt_stubs[];
extern "C" const FixupEntry fixup_table_start[], fixup_table_end[];

[[gnu::section(".boot_constants")]] constinit x86::InterruptGate table[vectors];

/// The exceptions with a stack of their own, which the CPU switches to whatever ran before, in the order of the stacks.
constexpr x86::Exception own_stack[] = {x86::Exception::NonMaskable, x86::Exception::DoubleFault,
                                        x86::Exception::MachineCheck, x86::Exception::Debug};
static_assert(std::size(own_stack) == CpuBlock::interrupt_stacks);

/// Whether the instruction was expected to fault (#GP, #PF); then the frame continues elsewhere.
bool fix_up(RegisterFrame& frame) {
    for (const FixupEntry* entry = fixup_table_start; entry != fixup_table_end; ++entry) {
        if (entry->fault_rip != frame.rip) continue;
        frame.rip = entry->continue_rip;
        return true;
    }
    return false;
}

}  // namespace

void build_interrupt_table() {
    for (unsigned vector = 0; vector < vectors; ++vector) {
        const auto handler = reinterpret_cast<uint64_t>(interrupt_stubs) + vector * stub_bytes;
        table[vector] = x86::InterruptGate::create(handler, SELECTOR_KERNEL_CODE);
    }
    unsigned stack = 0;
    for (const x86::Exception exception : own_stack)
        table[static_cast<unsigned>(exception)].low |= x86::InterruptGate::StackIndex::make(++stack);
    // INT3 and INTO are for programs; any other INT n of theirs is #GP.
    for (const x86::Exception exception : {x86::Exception::Breakpoint, x86::Exception::Overflow})
        table[static_cast<unsigned>(exception)].low |= x86::InterruptGate::Privilege::make(3);
}

void load_interrupt_table() { load_idt({sizeof(table) - 1, interrupt_table_address()}); }
uint64_t interrupt_table_address() { return reinterpret_cast<uint64_t>(table); }

void external_interrupt_in_kernel(uint64_t vector) {
    if (vector == Vectors::spurious) return;
    if (vector == Vectors::timer) {
        Scheduler::current().timers().expire();
    } else if (vector == Vectors::cross_cpu) {
        cross_cpu::interrupt();
    } else {
        InterruptObject::arrived(static_cast<uint8_t>(vector));
    }
    LocalApic::end_of_interrupt();
}

/// An interrupt or exception in ring 3; called on the stack named behind the frame. Resumes some thread.
extern "C" [[noreturn]] void interrupt_from_user(RegisterFrame& frame) {
    Cpu& cpu = Cpu::current();
    if (frame.vector >= Vectors::first_external) {
        external_interrupt_in_kernel(frame.vector);
        cpu.scheduler->leave_kernel();
    }
    const auto exception = static_cast<x86::Exception>(frame.vector);
    Thread& thread = static_cast<Thread&>(*cpu.running);
    thread.set_fault_address(exception == x86::Exception::PageFault ? read_cr2() : 0);
    if (exception == x86::Exception::Debug) write_dr6(0);
    Ipc::exception(thread, static_cast<uint32_t>(frame.vector));
}

/// An interrupt or exception in ring 0, or one with a stack of its own that does not come from what runs (NMI, #DF,
/// #MC) in either; returns to resume the interrupted code.
extern "C" void interrupt_from_kernel(RegisterFrame& frame) {
    if (frame.vector >= Vectors::first_external) return external_interrupt_in_kernel(frame.vector);
    const auto exception = static_cast<x86::Exception>(frame.vector);
    if (exception == x86::Exception::NonMaskable) return stop_if_panicking();
    if (exception == x86::Exception::Debug) {
        // A MOV SS of ring 3 can defer its #DB to the first instruction of an entry path, and TF survives SYSENTER.
        // Neither is a reason to stop; the kernel itself sets no breakpoints.
        write_dr6(read_dr6() & ~uint64_t{0xf | 1u << 14});
        frame.rflags &= ~x86::Rflags::Trap::mask;
        return;
    }
    if (exception == x86::Exception::DoubleFault) panic_with_frame("double fault", frame);
    if (exception == x86::Exception::MachineCheck) panic_with_frame("machine check", frame);
    if (fix_up(frame)) return;
    panic_with_frame("unexpected exception in the kernel", frame);
}

}  // namespace bulkhead::kernel
