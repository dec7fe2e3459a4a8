// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/halt.hpp"

#include "base/bit_field.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/platform/debug_uart.hpp"

namespace bulkhead::kernel {
namespace {

constexpr uint16_t qemu_exit_port = 0xf4;  // -device isa-debug-exit,iobase=0xf4
constexpr uint16_t bochs_shutdown_port = 0x8900;

/// PM1 control register. ACPI 6.5, 4.8.3.2.1.
struct Pm1Control {
    using SleepType = BitField<10, 3>;
    using SleepEnable = Bit<13>;
};

constinit PowerOff acpi;

void acpi_power_off() {
    const auto command = [](uint8_t type) {
        return static_cast<uint16_t>(Pm1Control::SleepType::make(type) | Pm1Control::SleepEnable::mask);
    };
    if (acpi.control_a != 0) port_write<uint16_t>(acpi.control_a, command(acpi.type_a));
    if (acpi.control_b != 0) port_write<uint16_t>(acpi.control_b, command(acpi.type_b));
}

}  // namespace

void set_power_off(const PowerOff& power_off) { acpi = power_off; }

void system_halt(unsigned status) {
    DebugUart::set_enabled(true);
    log_unlocked("bulkhead: system halted (status {})", status);
    DebugUart::drain();
    port_write<uint8_t>(qemu_exit_port, static_cast<uint8_t>(status));
    for (const char character : std::string_view{"Shutdown"})
        port_write<uint8_t>(bochs_shutdown_port, static_cast<uint8_t>(character));
    acpi_power_off();
    halt_forever();
}

void refuse_machine(const char* sentence) {
    log_unlocked("bulkhead: {}", sentence);
    system_halt(1);
}

}  // namespace bulkhead::kernel
