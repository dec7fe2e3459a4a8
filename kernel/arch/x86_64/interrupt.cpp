// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/interrupt.hpp"

#include <array>
#include <span>

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/debug/panic.hpp"

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

[[gnu::section(".boot_constants")]] constinit std::array<x86::InterruptGate, vectors> table{};

/// The exceptions with a stack of their own, which the CPU switches to whatever ran before, in the order of the stacks.
constexpr x86::Exception own_stack[] = {x86::Exception::NonMaskable, x86::Exception::DoubleFault,
                                        x86::Exception::MachineCheck, x86::Exception::Debug};
static_assert(std::size(own_stack) == CpuBlock::interrupt_stacks);

/// IST index of a vector, 0 for the ordinary stack.
constexpr unsigned stack_of(unsigned vector) {
    for (unsigned index = 0; index < std::size(own_stack); ++index) {
        if (own_stack[index] == static_cast<x86::Exception>(vector)) return index + 1;
    }
    return 0;
}

/// INT3 and INTO are for programs; any other INT n of theirs is #GP.
constexpr unsigned privilege_of(unsigned vector) {
    const auto exception = static_cast<x86::Exception>(vector);
    return exception == x86::Exception::Breakpoint || exception == x86::Exception::Overflow ? 3 : 0;
}

/// Whether the instruction was expected to fault; then the frame continues elsewhere.
bool fix_up(RegisterFrame& frame) {
    for (const FixupEntry& entry : std::span{fixup_table_start, fixup_table_end}) {
        if (entry.fault_rip != frame.rip) continue;
        frame.rip = entry.continue_rip;
        return true;
    }
    return false;
}

}  // namespace

void build_interrupt_table() {
    for (unsigned vector = 0; vector < vectors; ++vector) {
        const auto handler = reinterpret_cast<uint64_t>(interrupt_stubs) + vector * stub_bytes;
        table[vector] =
            x86::InterruptGate::create(handler, SELECTOR_KERNEL_CODE, stack_of(vector), privilege_of(vector));
    }
}

void load_interrupt_table() { load_idt({sizeof(table) - 1, interrupt_table_address()}); }
uint64_t interrupt_table_address() { return reinterpret_cast<uint64_t>(table.data()); }

/// An interrupt or exception in ring 0, or one with a stack of its own that does not come from what runs (NMI, #DF,
/// #MC) in either; returns to resume the interrupted code.
extern "C" void interrupt_from_kernel(RegisterFrame& frame) {
    if (frame.vector >= Vectors::first_external)
        return external_interrupt_in_kernel(static_cast<uint8_t>(frame.vector));
    const auto exception = static_cast<x86::Exception>(frame.vector);
    if (exception == x86::Exception::NonMaskable) return stop_if_panicking();
    if (exception == x86::Exception::Debug) {
        // A MOV SS of ring 3 can defer its #DB to the first instruction of an entry path, and TF survives SYSENTER.
        // Neither is a reason to stop; the kernel itself sets no breakpoints.
        write_dr6(read_dr6() & ~uint64_t{0xf | 1u << 14});
        frame.rflags &= ~x86::Rflags::Trap::mask;
        return;
    }
    const bool may_be_expected =
        exception == x86::Exception::GeneralProtection || exception == x86::Exception::PageFault;
    if (may_be_expected && fix_up(frame)) return;
    if (exception == x86::Exception::DoubleFault) panic_with_frame("double fault", frame);
    if (exception == x86::Exception::MachineCheck) panic_with_frame("machine check", frame);
    panic_with_frame("unexpected exception in the kernel", frame);
}

}  // namespace bulkhead::kernel
