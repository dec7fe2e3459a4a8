// SPDX-License-Identifier: Apache-2.0
// Starting the other processors. The bootstrap processor starts one at a time and waits for it; each then waits for
// `released`.
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/memory/kernel_space.hpp"
#include "kernel/platform/local_apic.hpp"
#include "kernel/platform/timer.hpp"

namespace bulkhead::kernel {

constexpr PhysicalAddress start_page{AP_TRAMPOLINE};
constexpr uint64_t init_delay_us = 10'000;  // SDM vol. 3A, 9.4.4.1
constexpr uint64_t startup_delay_us = 200;
constexpr uint64_t online_timeout_us = 1'000'000;

extern "C" const char ap_trampoline[];

static constinit std::atomic<bool> released{false};

/// What a started processor does, in 64-bit mode and on its own stack.
[[noreturn]] static void cpu_main() {
    Cpu& cpu = Cpu::current();
    set_up_this_cpu(cpu);
    LocalApic::enable();
    timer_enable();
    announce_this_cpu();
    while (!released.load(std::memory_order_acquire)) cpu_relax();
    cpu_idle_forever(cpu);
}

/// Whether CPU `id` is there before the time is over.
static bool wait_for_cpu(unsigned id, uint64_t microseconds) {
    const uint64_t end = read_tsc() + tsc_from_microseconds(microseconds);
    while (cpu_count() == id && read_tsc() <= end) cpu_relax();
    return cpu_count() != id;
}

static bool start(const Cpu& cpu) {
    cpu_start = {kernel_root(), cpu.kernel_stack_top, cpu_main};
    LocalApic::send(cpu.apic_id, x86::ApicDelivery::Init, 0);
    delay_microseconds(init_delay_us);
    LocalApic::send(cpu.apic_id, x86::ApicDelivery::Startup, AP_TRAMPOLINE >> page_shift);
    if (wait_for_cpu(cpu.id, startup_delay_us)) return true;
    LocalApic::send(cpu.apic_id, x86::ApicDelivery::Startup, AP_TRAMPOLINE >> page_shift);
    return wait_for_cpu(cpu.id, online_timeout_us);
}

static void start_all(const AcpiInformation& acpi) {
    const uint32_t own_id = Cpu::current().apic_id;
    for (const uint32_t apic_id : acpi.apic_ids) {
        if (apic_id == own_id || apic_id > LocalApic::highest_id() || cpu_count() == max_cpus) continue;
        const unsigned id = cpu_count();
        const Cpu* cpu = make_cpu(id, apic_id);
        if (cpu == nullptr) return log("bulkhead: no memory for CPU {} (APIC ID {}) and those behind it", id, apic_id);
        // A processor that comes too late would use a block of another one: it is not waited for, none is started
        // after it.
        if (!start(*cpu))
            return log("bulkhead: the processor with APIC ID {} does not start; going on with {} CPUs", apic_id, id);
    }
}

void start_other_cpus(const AcpiInformation& acpi) {
    // What lies where the processors start is only borrowed: under UEFI, GRUB puts boot modules there.
    auto* place = direct_map<char>(start_page);
    char borrowed[AP_TRAMPOLINE_SIZE];
    __builtin_memcpy(borrowed, place, AP_TRAMPOLINE_SIZE);
    __builtin_memcpy(place, ap_trampoline, AP_TRAMPOLINE_SIZE);
    start_all(acpi);
    __builtin_memcpy(place, borrowed, AP_TRAMPOLINE_SIZE);
}

void release_other_cpus() { released.store(true, std::memory_order_release); }

}  // namespace bulkhead::kernel
