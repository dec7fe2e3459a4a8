// SPDX-License-Identifier: Apache-2.0
#include "kernel/schedule/cross_cpu.hpp"

#include <atomic>

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/platform/local_apic.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel::cross_cpu {

namespace {

// One request at a time: only the holder of the configuration lock makes one.
Function request_function;
void* request_argument;
std::atomic<uint64_t> request_pending{0};  // CPUs that have not served it yet
static_assert(max_cpus <= 64, "one bit per CPU");

void run(uint64_t cpus, Function function, void* argument) {
    const uint32_t here = Cpu::current().id;
    request_function = function;
    request_argument = argument;
    const uint64_t others = cpus & ~(uint64_t{1} << here);
    request_pending.store(others, std::memory_order_release);
    for (uint64_t rest = others; rest != 0; rest &= rest - 1) kick(static_cast<uint32_t>(__builtin_ctzll(rest)));
    if (cpus != others) function(argument);
    while (request_pending.load(std::memory_order_acquire) != 0) cpu_relax();
}

}  // namespace

void run_on(uint32_t cpu, Function function, void* argument) { run(uint64_t{1} << cpu, function, argument); }

void run_everywhere(Function function, void* argument) {
    const unsigned count = cpu_count();
    run(count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1, function, argument);
}

void kick(uint32_t cpu) { LocalApic::send(Cpu::at(cpu).apic_id, x86::ApicDelivery::Fixed, Vectors::cross_cpu); }

void serve_wake_ups() { Scheduler::current().serve_woken(); }

void interrupt() {
    const uint64_t self = uint64_t{1} << Cpu::current().id;
    if ((request_pending.load(std::memory_order_acquire) & self) != 0) {
        request_function(request_argument);
        request_pending.fetch_and(~self, std::memory_order_release);
    }
    serve_wake_ups();
}

}  // namespace bulkhead::kernel::cross_cpu
