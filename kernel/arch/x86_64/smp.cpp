// SPDX-License-Identifier: Apache-2.0
// Starting the other processors. The bootstrap processor starts one at a time and waits for it; each then waits for
// `released`.
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/memory/kernel_space.hpp"
#include "kernel/platform/local_apic.hpp"
#include "kernel/platform/timer.hpp"

namespace bulkhead::kernel {
namespace {

constexpr uint64_t init_delay_us = 10'000;  // SDM vol. 3A, 9.4.4.1
constexpr uint64_t startup_delay_us = 200;
constexpr uint64_t online_timeout_us = 1'000'000;

struct TrampolineParameters {
    uint64_t root;
    uint64_t stack;
    uint64_t entry;
};

extern "C" const char ap_trampoline_start[], ap_trampoline_parameters[];

constinit std::atomic<bool> released{false};

/// What lies where the processors start is only borrowed: under UEFI, GRUB puts boot modules there.
struct BorrowedStartPage {
    BorrowedStartPage() {
        __builtin_memcpy(saved_, direct_map(PhysicalAddress{AP_TRAMPOLINE}), sizeof(saved_));
        map_trampoline();
    }
    ~BorrowedStartPage() {
        unmap_trampoline();
        __builtin_memcpy(direct_map(PhysicalAddress{AP_TRAMPOLINE}), saved_, sizeof(saved_));
    }
    BorrowedStartPage(const BorrowedStartPage&) = delete;

    char saved_[AP_TRAMPOLINE_SIZE];
};

void place_trampoline(const Cpu& cpu) {
    auto* place = direct_map<char>(PhysicalAddress{AP_TRAMPOLINE});
    __builtin_memcpy(place, ap_trampoline_start, AP_TRAMPOLINE_SIZE);
    const TrampolineParameters parameters{
        .root = kernel_root().value(), .stack = cpu.kernel_stack_top, .entry = reinterpret_cast<uint64_t>(&cpu_main)};
    __builtin_memcpy(place + (ap_trampoline_parameters - ap_trampoline_start), &parameters, sizeof(parameters));
}

bool wait_until_online(const Cpu& cpu, uint64_t microseconds) {
    const uint64_t end = read_tsc() + tsc_from_microseconds(microseconds);
    while (!cpu.online.load(std::memory_order_acquire)) {
        if (read_tsc() > end) return false;
        cpu_relax();
    }
    return true;
}

bool start(Cpu& cpu) {
    place_trampoline(cpu);
    LocalApic::send(cpu.apic_id, x86::ApicDelivery::Init, 0);
    delay_microseconds(init_delay_us);
    LocalApic::send(cpu.apic_id, x86::ApicDelivery::Startup, AP_TRAMPOLINE >> page_shift);
    if (wait_until_online(cpu, startup_delay_us)) return true;
    LocalApic::send(cpu.apic_id, x86::ApicDelivery::Startup, AP_TRAMPOLINE >> page_shift);
    return wait_until_online(cpu, online_timeout_us);
}

}  // namespace

void start_other_cpus(const AcpiInformation& acpi) {
    const BorrowedStartPage borrowed;
    const uint32_t own_id = Cpu::current().apic_id;
    for (const uint32_t apic_id : acpi.apic_ids) {
        if (apic_id == own_id || apic_id > LocalApic::highest_id() || cpu_count() == max_cpus) continue;
        const unsigned id = cpu_count();
        if (!map_cpu(id)) {
            log("bulkhead: no memory for CPU {} (APIC ID {}) and those behind it", id, apic_id);
            break;
        }
        // A processor that comes too late would use a block of another one: it is not waited for, none is started
        // after it.
        if (!start(prepare_cpu(id, apic_id))) {
            log("bulkhead: the processor with APIC ID {} does not start; going on with {} CPUs", apic_id, id);
            break;
        }
    }
}

void release_other_cpus() { released.store(true, std::memory_order_release); }

extern "C" void cpu_main(Cpu& cpu) {
    set_up_this_cpu(cpu);
    LocalApic::enable();
    timer_enable();
    announce_this_cpu(cpu);
    while (!released.load(std::memory_order_acquire)) cpu_relax();
    write_cr3(kernel_root().value());  // forgets the trampoline
    cpu_idle_forever(cpu);
}

}  // namespace bulkhead::kernel
