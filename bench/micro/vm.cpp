// SPDX-License-Identifier: Apache-2.0
// VM exits: what an instruction of a guest costs that leaves it, counted in the guest, by kind. Exits that reach the
// monitor are portal calls; the counters of each figure say how many there were per operation.
#include "bench/micro/benchmark.hpp"
#include "bench/micro/vm_bench_machine.hpp"

namespace bulkhead::bench {
namespace {

/// Portal calls and absorbed exits, without those of start and end, which every run has.
struct Exits {
    uint64_t portal_calls = 0;
    uint64_t absorbed = 0;
};

bool skip_without_virtualization(Run& run) {
    if (test::has_virtualization()) return false;
    run.skip("no virtualization on this processor");
    return true;
}

/// Ticks and exits of the guest's loop with nothing in it.
bool measure_nothing(Run& run, uint64_t& ticks, Exits& exits) {
    BenchMachine machine;
    if (!machine.create(run, GuestOperation::Nothing) || !machine.finish(run)) return false;
    ticks = machine.ticks();
    exits = {machine.portal_calls(), machine.absorbed_exits()};
    return true;
}

void count_exits(Run& run, const BenchMachine& machine, const Exits& around) {
    run.counter("portal_calls", machine.portal_calls() - around.portal_calls);
    run.counter("absorbed_exits", machine.absorbed_exits() - around.absorbed);
}

template <GuestOperation operation>
void exit_of(Run& run) {
    if (skip_without_virtualization(run)) return;
    uint64_t around = 0;
    Exits exits;
    BenchMachine machine;
    if (!measure_nothing(run, around, exits) || !machine.create(run, operation) || !machine.finish(run)) return;
    run.add(machine.ticks() - around);
    count_exits(run, machine, exits);
}

void hypercall(Run& run) {
    const bool is_amd = runtime::system_information().vendor == abi::ProcessorVendor::Amd;
    return is_amd ? exit_of<GuestOperation::HypercallAmd>(run) : exit_of<GuestOperation::HypercallIntel>(run);
}

/// The average from cause to the first instruction of the guest's handler.
template <GuestOperation operation>
void latency_of(Run& run) {
    if (skip_without_virtualization(run)) return;
    uint64_t around = 0;
    Exits exits;
    BenchMachine machine;
    if (!measure_nothing(run, around, exits) || !machine.create(run, operation) || !machine.finish(run)) return;
    if (machine.interrupts() != run.iterations()) return run.fail("interrupts are missing");
    run.add(machine.latency());
    count_exits(run, machine, exits);
}

/// Wakes the guest each time it sleeps: of lower priority than it, so it runs when the guest does not.
struct Waker {
    BenchMachine machine;
    uint64_t rounds = 0;

    static void wake(void* argument) {
        auto& waker = *static_cast<Waker*>(argument);
        while (waker.machine.halts() == 0) runtime::sleep_for(runtime::ns_per_us);
        for (uint64_t i = 0; i < waker.rounds; ++i) waker.machine.post_from_outside();
        runtime::stop_this_thread();
    }
    /// Runs the guest with the waker beside it.
    bool play(Run& run) {
        rounds = run.iterations();
        if (!machine.create(run, GuestOperation::Halt)) return false;
        auto thread = test::start_thread(wake, this, test::low_priority);
        if (!thread.ok()) return run.fail("thread", thread.error()), false;
        const bool ended = machine.finish(run);
        thread.value().destroy();
        return ended;
    }
};

void wake_latency(Run& run) {
    if (skip_without_virtualization(run)) return;
    Waker waker;
    if (!waker.play(run)) return;
    if (waker.machine.interrupts() != run.iterations()) return run.fail("interrupts are missing");
    run.add(waker.machine.latency());
    run.counter("absorbed_exits", waker.machine.absorbed_exits());
}

void halt_round(Run& run) {
    if (skip_without_virtualization(run)) return;
    Waker waker;
    if (!waker.play(run)) return;
    run.add(waker.machine.ticks());
    run.counter("absorbed_exits", waker.machine.absorbed_exits());
}

/// Waits for the guest's doorbell and answers with an interrupt, or leaves that to a thread that has nothing else to do:
/// then it waits again before the guest goes on.
struct Backend {
    BenchMachine machine;
    bool answers = true;

    static void serve(void* argument) {
        auto& backend = *static_cast<Backend*>(argument);
        for (;;) {
            if (!backend.machine.wait_for_doorbell()) runtime::stop_this_thread();
            if (backend.answers) backend.machine.answer_doorbell();
        }
    }
    static void answer(void* argument) {
        for (;;) static_cast<Backend*>(argument)->machine.answer_doorbell();
    }
};

void doorbell_waiter(Run& run) {
    if (skip_without_virtualization(run)) return;
    Backend backend;
    backend.answers = false;
    if (!backend.machine.create(run, GuestOperation::DoorbellWaiter)) return;
    runtime::Thread waiter = BENCH_NEEDED(test::start_thread(Backend::serve, &backend, test::low_priority + 1));
    runtime::Thread waker = BENCH_NEEDED(test::start_thread(Backend::answer, &backend, test::low_priority));
    if (backend.machine.finish(run)) run.add(backend.machine.ticks());
    waiter.destroy();
    waker.destroy();
}

void doorbell_to_interrupt(Run& run) {
    if (skip_without_virtualization(run)) return;
    Backend backend;
    if (!backend.machine.create(run, GuestOperation::DoorbellToInterrupt)) return;
    runtime::Thread thread = BENCH_NEEDED(test::start_thread(Backend::serve, &backend, test::high_priority));
    const bool ended = backend.machine.finish(run);
    thread.destroy();
    if (!ended) return;
    if (backend.machine.interrupts() < run.iterations()) return run.fail("interrupts are missing");
    run.add(backend.machine.latency());
    run.counter("absorbed_exits", backend.machine.absorbed_exits());
}

void ipi_round(Run& run) {
    if (skip_without_virtualization(run)) return;
    BenchMachine machine;
    if (!machine.create(run, GuestOperation::Ipi) || !machine.finish(run)) return;
    run.add(machine.ticks());
    run.counter("portal_calls", machine.portal_calls());
    run.counter("absorbed_exits", machine.absorbed_exits());
}

constexpr Benchmark table[] = {
    {"vm/cpuid", nullptr, no_sweep, 50, guard_all, "CPUID: exit, call to the monitor's handler, reply, entry",
     exit_of<GuestOperation::Cpuid>},
    {"vm/hypercall", nullptr, no_sweep, 50, guard_all, "VMCALL or VMMCALL, answered by the monitor", hypercall},
    {"vm/port_write", nullptr, no_sweep, 50, guard_all, "OUT of a byte to the monitor",
     exit_of<GuestOperation::PortWrite>},
    {"vm/port_read", nullptr, no_sweep, 50, guard_all, "IN of a byte from the monitor",
     exit_of<GuestOperation::PortRead>},
    {"vm/doorbell_nobody", nullptr, no_sweep, 50, guard_all, "OUT of a byte to a doorbell nobody waits for",
     exit_of<GuestOperation::Doorbell>},
    {"vm/doorbell_waiter", nullptr, no_sweep, 50, guard_all,
     "the same when it makes a thread ready, on this CPU and less urgent than the guest", doorbell_waiter},
    {"vm/doorbell_to_guest_interrupt", nullptr, no_sweep, 50, guard_all,
     "from RDTSC before such an OUT, by way of a more urgent thread, which posts a virtual interrupt and waits again, to "
     "RDTSC in the guest's handler, all on one CPU",
     doorbell_to_interrupt},
    {"vm/mmio_write", nullptr, no_sweep, 50, guard_all,
     "store to memory that is not mapped: the monitor moves RIP through the state page; no instruction decoding",
     exit_of<GuestOperation::MmioWrite>},
    {"vm/mmio_read", nullptr, no_sweep, 50, guard_all,
     "load from there: the monitor writes RAX and RIP through the state page; no instruction decoding",
     exit_of<GuestOperation::MmioRead>},
    {"vm/msr_write", nullptr, no_sweep, 50, guard_all, "WRMSR of a register that is the monitor's",
     exit_of<GuestOperation::MsrWrite>},
    {"vm/msr_read", nullptr, no_sweep, 50, guard_all, "RDMSR of such a register", exit_of<GuestOperation::MsrRead>},
    {"vm/msr_write_absorbed", nullptr, no_sweep, 50, guard_all,
     "WRMSR of x2APIC's task priority, absorbed by the kernel or the hardware", exit_of<GuestOperation::AbsorbedMsrWrite>},
    {"vm/timer_write_absorbed", nullptr, no_sweep, 50, guard_all, "WRMSR of the TSC deadline, absorbed by the kernel",
     exit_of<GuestOperation::TimerWrite>},
    {"vm/nested_fault", nullptr, no_sweep, 50, guard_all,
     "first load from a page: the monitor maps it, the load is done again", exit_of<GuestOperation::NestedFault>},
    {"vm/self_interrupt", nullptr, no_sweep, 50, guard_all,
     "self-IPI by x2APIC, delivery, the guest's handler of 10 instructions with its EOI", exit_of<GuestOperation::SelfInterrupt>},
    {"vm/inject_on_exit", nullptr, no_sweep, 50, guard_all,
     "from RDTSC before an OUT, whose exit the monitor answers by posting an interrupt, to RDTSC in the guest's handler",
     latency_of<GuestOperation::InjectOnExit>},
    {"vm/wake_by_interrupt", nullptr, no_sweep, 50, guard_all,
     "from RDTSC before a thread posts an interrupt to RDTSC in the handler of the guest, which sleeps in HLT on that CPU",
     wake_latency},
    {"vm/halt_round", nullptr, no_sweep, 50, guard_all,
     "HLT, switch to a native thread, its post, wake, the guest's handler of 15 instructions with EOI, to the next HLT",
     halt_round},
    {"vm/ipi_round", nullptr, no_sweep, 50, guard_all,
     "IPI to the other vCPU on the same CPU, its handler sends one back; both sleep in HLT between", ipi_round},
    {"vm/timer_lateness", nullptr, no_sweep, 20, guard_none,
     "from the TSC deadline to RDTSC in the guest's handler, the guest running", latency_of<GuestOperation::Timer>},
};

}  // namespace

const std::span<const Benchmark> vm_benchmarks{table};

}  // namespace bulkhead::bench
