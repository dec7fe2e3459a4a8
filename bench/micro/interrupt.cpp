// SPDX-License-Identifier: Apache-2.0
// A device interrupt up to the first instruction of the thread that waits for it. The device is COM1, the line the
// host asks on: with its transmitter idle, setting the bit that enables the transmitter's interrupt raises it at once.
#include "bench/micro/benchmark.hpp"
#include "bench/micro/serial_line.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {
namespace {

constexpr uint32_t com1_line = 4;
constexpr uint16_t interrupt_enable = com1 + 1;
constexpr uint16_t interrupt_identification = com1 + 2;
constexpr uint16_t modem_control = com1 + 4;
constexpr uint16_t line_status = com1 + 5;
constexpr uint8_t transmitter_interrupt = 2;
constexpr uint8_t transmitter_idle = 0x60;
constexpr uint8_t interrupt_gate = 8;  ///< OUT2: on a PC it lets the UART's interrupt through

constexpr abi::Selector interrupt_slot = 70;
constexpr abi::Selector done_slot = 71;

/// What both threads of the driver's domain and the benchmark see.
struct Shared {
    uint64_t iterations;
    uint64_t ticks;
    uint64_t reading;
    volatile uint64_t raised_at;
    volatile uint64_t seen;
    volatile bool missing;
};

/// Waits for the interrupt; the first thing it does then is to read the clock.
void handle_interrupts(void* argument) {
    auto& shared = *static_cast<Shared*>(argument);
    for (;;) {
        static_cast<void>(runtime::Notification{interrupt_slot}.wait());
        const uint64_t now = now_ticks();
        shared.ticks += now - shared.raised_at - shared.reading;
        static_cast<void>(in(interrupt_identification));
        out(interrupt_enable, 0);
        shared.seen = shared.seen + 1;
    }
}

/// Raises one interrupt and waits, computing nothing, until it has been seen; false if it does not come.
bool raise(Shared& shared) {
    const uint64_t seen = shared.seen;
    while ((in(line_status) & transmitter_idle) != transmitter_idle) asm volatile("pause");
    const uint64_t deadline = now_ticks() + runtime::system_information().tsc_hz;
    shared.raised_at = now_ticks();
    out(interrupt_enable, transmitter_interrupt);
    while (shared.seen == seen) {
        if (now_ticks() > deadline) return false;
    }
    return true;
}

void raise_interrupts(void* argument) {
    auto& shared = *static_cast<Shared*>(argument);
    const uint8_t before = in(modem_control);
    out(modem_control, before | interrupt_gate);
    for (uint64_t i = 0; i < shared.iterations && !shared.missing; ++i) shared.missing = !raise(shared);
    out(interrupt_enable, 0);
    out(modem_control, before);
    static_cast<void>(runtime::Notification{done_slot}.signal(1));
    for (;;) static_cast<void>(runtime::Notification{done_slot}.wait(2));
}

void device_interrupt(Run& run) {
    test::Child driver = BENCH_NEEDED(test::Child::create());
    runtime::Ports ports = BENCH_NEEDED(give_com1_ports(driver));
    auto signal = BENCH_NEEDED(runtime::Notification::create());
    auto done = BENCH_NEEDED(runtime::Notification::create());
    BENCH_OK(driver.give(signal.selector(), interrupt_slot));
    BENCH_OK(driver.give(done.selector(), done_slot));
    auto interrupt =
        BENCH_NEEDED(runtime::Interrupt::create(abi::WellKnownSlot::Machine, com1_line, signal.selector(), 1));
    auto& shared = driver.shared<Shared>();
    shared = {.iterations = run.iterations(), .ticks = 0, .reading = reading_cost(), .raised_at = 0, .seen = 0, .missing = false};
    BENCH_NEEDED(driver.start(handle_interrupts, &shared, test::high_priority)).forget();
    BENCH_NEEDED(driver.start(raise_interrupts, &shared, test::low_priority)).forget();
    static_cast<void>(done.wait(1));
    if (shared.missing) run.fail("COM1 raised no interrupt within a second");
    run.add(shared.ticks);
    static_cast<void>(interrupt.destroy());
    driver.destroy();
    static_cast<void>(ports.destroy());
    static_cast<void>(signal.destroy());
    static_cast<void>(done.destroy());
}

constexpr Benchmark table[] = {
    {"interrupt/to_thread", nullptr, no_sweep, 50, guard_all,
     "from the OUT that makes COM1 raise its line (edge-triggered, I/O APIC), executed by a thread of lower priority of "
     "the driver's domain, to the first instruction of the driver's thread behind its wait",
     device_interrupt},
};

}  // namespace

const std::span<const Benchmark> interrupt_benchmarks{table};

}  // namespace bulkhead::bench
