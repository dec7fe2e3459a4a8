// SPDX-License-Identifier: Apache-2.0
#include "kernel/schedule/cross_cpu.hpp"

#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/platform/local_apic.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel::cross_cpu {

// One request at a time: only the holder of the configuration lock makes one.
static void (*request_function)(void*);
static void* request_argument;
static std::atomic<uint64_t> request_pending{0};  // CPUs that have not served it yet
static_assert(max_cpus == 64, "one bit per CPU");

void run(uint64_t cpus, void (*function)(void*), void* argument) {
    const uint64_t here = uint64_t{1} << Cpu::current().id;
    const uint64_t others = cpus & ~here & ~uint64_t{0} >> (max_cpus - cpu_count());
    request_function = function;
    request_argument = argument;
    request_pending.store(others, std::memory_order_release);
    for (uint64_t rest = others; rest != 0; rest &= rest - 1) kick(static_cast<uint32_t>(__builtin_ctzll(rest)));
    if ((cpus & here) != 0) function(argument);
    while (request_pending.load(std::memory_order_acquire) != 0) cpu_relax();
}

void kick(uint32_t cpu) { LocalApic::send(Cpu::at(cpu).apic_id, x86::ApicDelivery::Fixed, Vectors::cross_cpu); }

void interrupt() {
    const uint64_t self = uint64_t{1} << Cpu::current().id;
    if ((request_pending.load(std::memory_order_acquire) & self) != 0) {
        request_function(request_argument);
        request_pending.fetch_and(~self, std::memory_order_release);
    }
    Scheduler::current().serve_woken();
}

}  // namespace bulkhead::kernel::cross_cpu
