// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/timer.hpp"

#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/platform/halt.hpp"
#include "kernel/platform/local_apic.hpp"

namespace bulkhead::kernel {
namespace {

using x86::ApicRegister, x86::CpuidLeaf;

constexpr uint64_t pm_timer_hz = 3'579'545;
constexpr uint64_t measure_per_second = 250;  // 4 ms
constexpr unsigned measurements = 5;
constexpr unsigned max_polls = 10'000'000;  // a reference clock that stands still is given up
constexpr unsigned ratio_shift = 32;

constinit uint64_t tsc_rate = 0;
constinit uint64_t apic_ticks_per_tsc = 0;  // fixed point, ratio_shift bits of fraction

/// The median of several: a hypervisor that runs somebody else between two readings spoils one of them.
template <typename Measure>
uint64_t measure_often(Measure measure) {
    uint64_t results[measurements];
    for (uint64_t& result : results) {
        result = measure();
        if (result == 0) return 0;  // the reference stands still, and each try takes long
    }
    std::sort(results, results + measurements);
    return results[measurements / 2];
}

/// TSC ticks while the ACPI PM timer (3.58 MHz, 24 or 32 bits) counts 4 ms; 0 if it does not count.
uint64_t measure_by_pm_timer(uint16_t port, bool wide) {
    const uint32_t mask = wide ? UINT32_MAX : UINT32_MAX >> 8;
    constexpr auto span = static_cast<uint32_t>(pm_timer_hz / measure_per_second);
    const uint32_t start = port_read<uint32_t>(port);
    const uint64_t tsc_start = read_tsc();
    for (unsigned i = 0; i < max_polls; ++i) {
        const uint32_t passed = (port_read<uint32_t>(port) - start) & mask;
        if (passed >= span) return (read_tsc() - tsc_start) * span / passed;
    }
    return 0;
}

/// What the hypervisor or the CPU says, 0 if it says nothing. Both are exact where they tell the truth.
uint64_t announced_rate() {
    const uint64_t khz = cpu_features().hypervisor ? cpuid_or_nothing(CpuidLeaf::hypervisor_timing).eax : 0;
    if (khz != 0) return khz * 1000;
    const auto r = cpuid_or_nothing(CpuidLeaf::tsc);
    return r.eax != 0 ? uint64_t{r.ecx} * r.ebx / r.eax : 0;
}

/// A measurement is the truth to about 0.1%; an announced rate near it is taken instead, for its precision.
/// (An emulator may announce the rate of the CPU it imitates while its TSC counts instructions.)
uint64_t find_rate(const AcpiInformation& acpi) {
    const uint64_t announced = announced_rate();
    const auto measure = [&] { return measure_by_pm_timer(acpi.pm_timer_port, acpi.pm_timer_32_bits); };
    const uint64_t measured = acpi.pm_timer_port != 0 ? measure_often(measure) * measure_per_second : 0;
    if (announced == 0 && measured == 0)
        refuse_machine("the rate of time is unknown: no ACPI PM timer that counts, and the CPU announces nothing");
    const uint64_t difference = announced > measured ? announced - measured : measured - announced;
    return measured == 0 || difference <= measured / 100 ? announced : measured;
}

/// The APIC timer, still masked, counts the bus clock: measured against the TSC, as fixed point.
uint64_t measure_apic_timer() {
    LocalApic::write(ApicRegister::TimerInitialCount, UINT32_MAX);
    const uint64_t start = read_tsc();
    delay_microseconds(1'000'000 / measure_per_second);
    const uint64_t counted = UINT32_MAX - LocalApic::read(ApicRegister::TimerCurrentCount);
    const uint64_t passed = read_tsc() - start;
    LocalApic::write(ApicRegister::TimerInitialCount, 0);
    return (counted << ratio_shift) / passed;
}

}  // namespace

uint64_t tsc_hz() { return tsc_rate; }
uint64_t tsc_from_microseconds(uint64_t microseconds) { return tsc_rate / 1'000'000 * microseconds; }

void delay_microseconds(uint64_t microseconds) {
    const uint64_t end = read_tsc() + tsc_from_microseconds(microseconds);
    while (read_tsc() < end) cpu_relax();
}

void calibrate_timers(const AcpiInformation& acpi) {
    tsc_rate = find_rate(acpi);
    if (!cpu_features().tsc_deadline) apic_ticks_per_tsc = std::max<uint64_t>(measure_often(measure_apic_timer), 1);
}

void timer_enable() {
    const bool deadline = cpu_features().tsc_deadline;
    const auto mode = deadline ? x86::ApicTimerMode::TscDeadline : x86::ApicTimerMode::OneShot;
    LocalApic::write(ApicRegister::TimerEntry,
                     static_cast<uint32_t>(x86::ApicLocalEntry::TimerMode::make(mode) |
                                           x86::ApicLocalEntry::Vector::make(Vectors::timer)));
    // The mode must be set before the first deadline is (SDM vol. 3A, 11.5.4.1).
    if (deadline) asm volatile("mfence" : : : "memory");
}

void timer_set_deadline(uint64_t tsc) {
    if (cpu_features().tsc_deadline) return write_msr(x86::Msr::TscDeadline, std::max<uint64_t>(tsc, 1));
    const uint64_t now = read_tsc();
    const uint64_t left = std::min<uint64_t>(tsc > now ? tsc - now : 0, UINT32_MAX);
    const auto ticks =
        static_cast<uint64_t>((static_cast<unsigned __int128>(left) * apic_ticks_per_tsc) >> ratio_shift);
    LocalApic::write(ApicRegister::TimerInitialCount,
                     static_cast<uint32_t>(std::clamp<uint64_t>(ticks, 1, UINT32_MAX)));
}

}  // namespace bulkhead::kernel
