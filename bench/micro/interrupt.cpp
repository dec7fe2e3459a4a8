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

struct Driver {
    runtime::Notification interrupt;
    runtime::Notification done;
    Run* run = nullptr;
    volatile uint64_t raised_at = 0;
    volatile uint64_t seen = 0;

    static void handle(void* argument) {
        auto& driver = *static_cast<Driver*>(argument);
        for (;;) {
            static_cast<void>(driver.interrupt.wait());
            const uint64_t now = now_ticks();
            driver.run->add_between(driver.raised_at, now);
            static_cast<void>(in(interrupt_identification));
            out(interrupt_enable, 0);
            driver.seen = driver.seen + 1;
        }
    }
};

/// Raises one interrupt and waits, computing nothing, until the driver has seen it; false if it does not come.
bool raise(Driver& driver) {
    const uint64_t seen = driver.seen;
    while ((in(line_status) & transmitter_idle) != transmitter_idle) asm volatile("pause");
    const uint64_t deadline = runtime::deadline_in(runtime::ns_per_second);
    driver.raised_at = now_ticks();
    out(interrupt_enable, transmitter_interrupt);
    while (driver.seen == seen) {
        if (now_ticks() > deadline) return false;
    }
    return true;
}

void device_interrupt(Run& run) {
    const Com1Ports ports;
    if (ports.status() != abi::Status::Ok) return run.fail("COM1's ports", ports.status());
    Driver driver{BENCH_NEEDED(runtime::Notification::create()), {}, &run};
    auto interrupt = BENCH_NEEDED(runtime::Interrupt::create(abi::WellKnownSlot::Machine, com1_line,
                                                             driver.interrupt.selector(), 1));
    auto thread = BENCH_NEEDED(test::start_thread(Driver::handle, &driver, test::high_priority));
    const uint8_t before = in(modem_control);
    out(modem_control, before | interrupt_gate);
    for (uint64_t i = 0; i < run.iterations() && !run.failed(); ++i) {
        if (!raise(driver)) run.fail("COM1 raised no interrupt within a second");
    }
    out(interrupt_enable, 0);
    out(modem_control, before);
    thread.destroy();
    static_cast<void>(interrupt.destroy());
    static_cast<void>(driver.interrupt.destroy());
}

constexpr Benchmark table[] = {
    {"interrupt/to_thread", nullptr, no_sweep, 50, guard_all,
     "from the OUT that makes COM1 raise its line (edge-triggered, I/O APIC), executed by a thread of lower priority, to "
     "the first instruction of the thread behind its wait",
     device_interrupt},
};

}  // namespace

const std::span<const Benchmark> interrupt_benchmarks{table};

}  // namespace bulkhead::bench
