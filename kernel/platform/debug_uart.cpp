// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/debug_uart.hpp"

#include <atomic>

#include "kernel/arch/x86_64/instructions.hpp"

namespace bulkhead::kernel {
namespace {

// The 16550 UART: registers and their bits (National Semiconductor PC16550D data sheet).
constexpr uint16_t com1 = 0x3f8;
enum Register : uint16_t { Data, InterruptEnable, FifoControl, LineControl, ModemControl, LineStatus };
enum DivisorRegister : uint16_t { DivisorLow, DivisorHigh };  // while DivisorAccess is set
constexpr uint8_t fifo_enable = 1 << 0;
constexpr uint8_t eight_bits = 3, divisor_access = 1 << 7;
constexpr uint8_t data_terminal_ready = 1 << 0, request_to_send = 1 << 1;
constexpr uint8_t holding_empty = 1 << 5, transmitter_empty = 1 << 6;
constexpr uint8_t divisor_115200 = 1;
constexpr unsigned polls = 100'000;  // a dead UART must not stop the kernel

constinit std::atomic<bool> present{false};
constinit std::atomic<bool> allowed{true};

uint8_t read_register(uint16_t reg) { return port_read<uint8_t>(static_cast<uint16_t>(com1 + reg)); }
void write_register(uint16_t reg, uint8_t value) { port_write(static_cast<uint16_t>(com1 + reg), value); }

void wait_for(uint8_t status) {
    for (unsigned i = 0; i < polls; ++i) {
        if ((read_register(LineStatus) & status) != 0) return;
        cpu_relax();
    }
}

}  // namespace

void DebugUart::initialize() {
    if (read_register(LineStatus) == UINT8_MAX) return;  // nothing decodes the port
    write_register(InterruptEnable, 0);
    write_register(LineControl, divisor_access);
    write_register(DivisorLow, divisor_115200);
    write_register(DivisorHigh, 0);
    write_register(LineControl, eight_bits);
    write_register(FifoControl, fifo_enable);
    write_register(ModemControl, data_terminal_ready | request_to_send);
    present.store(true, std::memory_order_relaxed);
}

void DebugUart::write(char character) {
    if (!present.load(std::memory_order_relaxed) || !enabled()) return;
    if (character == '\n') write('\r');
    wait_for(holding_empty);
    write_register(Data, static_cast<uint8_t>(character));
}

void DebugUart::drain() {
    if (present.load(std::memory_order_relaxed)) wait_for(transmitter_empty);
}

void DebugUart::set_enabled(bool value) { allowed.store(value, std::memory_order_relaxed); }
bool DebugUart::enabled() { return allowed.load(std::memory_order_relaxed); }

}  // namespace bulkhead::kernel
