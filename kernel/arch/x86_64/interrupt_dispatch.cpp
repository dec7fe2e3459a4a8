// SPDX-License-Identifier: Apache-2.0
// What happens to interrupts and to the exceptions of programs. Interrupts that strike in ring 0 (an idle CPU, or
// between the steps of a long operation) only take note; what follows from them happens when the kernel is left.
#include "abi/message.hpp"
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/object/interrupt.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/platform/local_apic.hpp"
#include "kernel/schedule/cross_cpu.hpp"
#include "kernel/schedule/scheduler.hpp"
#include "kernel/syscall/ipc.hpp"

namespace bulkhead::kernel {

/// Serves one external interrupt, wherever it came from: ring 3, ring 0, or a guest.
void external_interrupt_in_kernel(uint8_t vector) {
    if (vector == Vectors::spurious) return;
    switch (vector) {
        case Vectors::timer:
            Scheduler::current().timers().expire();
            break;
        case Vectors::cross_cpu:
            cross_cpu::interrupt();
            break;
        default:
            InterruptObject::arrived(vector);
            break;
    }
    LocalApic::end_of_interrupt();
}

/// An interrupt or exception in ring 3; called on the stack named behind the frame. Resumes some thread.
extern "C" [[noreturn]] void interrupt_from_user(RegisterFrame& frame) {
    Cpu& cpu = Cpu::current();
    if (frame.vector >= Vectors::first_external) {
        external_interrupt_in_kernel(static_cast<uint8_t>(frame.vector));
        cpu.scheduler->leave_kernel();
    }
    Thread& thread = static_cast<Thread&>(*cpu.running);
    thread.set_fault_address(frame.vector == static_cast<uint64_t>(x86::Exception::PageFault) ? read_cr2() : 0);
    if (frame.vector == static_cast<uint64_t>(x86::Exception::Debug)) write_dr6(0);
    Ipc::exception(thread, static_cast<uint32_t>(frame.vector));
}

}  // namespace bulkhead::kernel
