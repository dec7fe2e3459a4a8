// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/timer.hpp"

#include <algorithm>

#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/platform/local_apic.hpp"

namespace bulkhead::kernel {
namespace {

using x86::CpuidLeaf;

constexpr uint64_t pm_timer_hz = 3'579'545;
constexpr uint64_t pit_hz = 1'193'182;
constexpr uint64_t measure_per_second = 250;  // 4 ms
constexpr unsigned measurements = 5;
constexpr unsigned max_polls = 10'000'000;    // a reference clock that stands still is given up
constexpr uint64_t fallback_hz = 1'000'000'000;
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

/// The same by channel 2 of the 8254 PIT, whose output is bit 5 of port 61h.
uint64_t measure_by_pit() {
    constexpr uint16_t gate_port = 0x61, command_port = 0x43, channel_port = 0x42;
    constexpr uint8_t gate = 0x01, speaker = 0x02, output = 0x20;
    constexpr uint8_t channel_2_one_shot = 0xb0;
    constexpr auto count = static_cast<uint16_t>(pit_hz / measure_per_second);
    const uint8_t old = port_read<uint8_t>(gate_port);
    port_write<uint8_t>(gate_port, static_cast<uint8_t>((old & ~speaker) | gate));
    port_write<uint8_t>(command_port, channel_2_one_shot);
    port_write<uint8_t>(channel_port, static_cast<uint8_t>(count));
    port_write<uint8_t>(channel_port, static_cast<uint8_t>(count >> 8));
    const uint64_t tsc_start = read_tsc();
    for (unsigned i = 0; i < max_polls; ++i) {
        if ((port_read<uint8_t>(gate_port) & output) == 0) continue;
        const uint64_t ticks = read_tsc() - tsc_start;
        port_write<uint8_t>(gate_port, old);
        return ticks;
    }
    return 0;
}

/// What the hypervisor or the CPU says, 0 if it says nothing. Both are exact where they tell the truth.
uint64_t announced_rate() {
    if (cpu_features().hypervisor) {
        const auto highest = cpuid(CpuidLeaf::hypervisor).eax;
        const bool has_timing = highest >= CpuidLeaf::hypervisor_timing && highest < CpuidLeaf::hypervisor + 0x100;
        const uint64_t khz = has_timing ? cpuid(CpuidLeaf::hypervisor_timing).eax : 0;
        if (khz != 0) return khz * 1000;
    }
    if (cpuid(CpuidLeaf::vendor).eax < CpuidLeaf::tsc) return 0;
    const auto r = cpuid(CpuidLeaf::tsc);
    return r.eax != 0 ? uint64_t{r.ecx} * r.ebx / r.eax : 0;
}

/// The measurement is the truth to about 0.1%; an announced rate near it is taken instead, for its precision.
/// (An emulator may announce the rate of the CPU it imitates while its TSC counts instructions.)
uint64_t choose_rate(uint64_t measured) {
    const uint64_t announced = announced_rate();
    if (measured == 0) return announced != 0 ? announced : fallback_hz;
    const uint64_t difference = announced > measured ? announced - measured : measured - announced;
    return difference <= measured / 100 ? announced : measured;
}

/// The APIC timer counts the bus clock: measured against the TSC, as fixed point.
uint64_t measure_apic_timer() {
    LocalApic::set_timer_mode(x86::ApicTimerMode::OneShot, Vectors::timer, true);
    LocalApic::set_timer_count(UINT32_MAX);
    const uint64_t start = read_tsc();
    delay_microseconds(1'000'000 / measure_per_second);
    const uint64_t counted = UINT32_MAX - LocalApic::timer_count();
    const uint64_t passed = read_tsc() - start;
    LocalApic::set_timer_count(0);
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
    uint64_t measured = 0;
    if (acpi.pm_timer_port != 0)
        measured = measure_often([&] { return measure_by_pm_timer(acpi.pm_timer_port, acpi.pm_timer_32_bits); });
    if (measured == 0) measured = measure_often(measure_by_pit);
    tsc_rate = choose_rate(measured * measure_per_second);
    if (!cpu_features().tsc_deadline) apic_ticks_per_tsc = std::max<uint64_t>(measure_often(measure_apic_timer), 1);
}

void timer_enable() {
    const bool deadline = cpu_features().tsc_deadline;
    LocalApic::set_timer_mode(deadline ? x86::ApicTimerMode::TscDeadline : x86::ApicTimerMode::OneShot, Vectors::timer,
                              false);
    // The mode must be set before the first deadline is (SDM vol. 3A, 11.5.4.1).
    if (deadline) asm volatile("mfence" : : : "memory");
}

void timer_set_deadline(uint64_t tsc) {
    if (cpu_features().tsc_deadline) return write_msr(x86::Msr::TscDeadline, std::max<uint64_t>(tsc, 1));
    const uint64_t now = read_tsc();
    const uint64_t left = std::min<uint64_t>(tsc > now ? tsc - now : 0, UINT32_MAX);
    const auto ticks =
        static_cast<uint64_t>((static_cast<unsigned __int128>(left) * apic_ticks_per_tsc) >> ratio_shift);
    LocalApic::set_timer_count(static_cast<uint32_t>(std::clamp<uint64_t>(ticks, 1, UINT32_MAX)));
}

}  // namespace bulkhead::kernel
