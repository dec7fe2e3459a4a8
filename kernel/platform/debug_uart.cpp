// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/debug_uart.hpp"

#include <atomic>

#include "kernel/arch/x86_64/instructions.hpp"

namespace bulkhead::kernel {
namespace {

// The 16550 UART at COM1: registers and their bits (National Semiconductor PC16550D data sheet).
enum Register : uint16_t { Data = 0x3f8, InterruptEnable, FifoControl, LineControl, ModemControl, LineStatus };
enum DivisorRegister : uint16_t { DivisorLow = Data, DivisorHigh };  // while DivisorAccess is set
constexpr uint8_t fifo_enable = 1 << 0;
constexpr uint8_t eight_bits = 3, divisor_access = 1 << 7;
constexpr uint8_t data_terminal_ready = 1 << 0, request_to_send = 1 << 1;
constexpr uint8_t holding_empty = 1 << 5, transmitter_empty = 1 << 6;
constexpr uint8_t divisor_115200 = 1;
constexpr unsigned polls = 100'000;  // a dead UART must not stop the kernel

constinit std::atomic<bool> enabled{true};

void wait_for(uint8_t status) {
    for (unsigned i = 0; i < polls && (port_read<uint8_t>(LineStatus) & status) == 0; ++i) cpu_relax();
}

}  // namespace

void DebugUart::initialize() {
    port_write<uint8_t>(InterruptEnable, 0);
    port_write<uint8_t>(LineControl, divisor_access);
    port_write<uint8_t>(DivisorLow, divisor_115200);
    port_write<uint8_t>(DivisorHigh, 0);
    port_write<uint8_t>(LineControl, eight_bits);
    port_write<uint8_t>(FifoControl, fifo_enable);
    port_write<uint8_t>(ModemControl, data_terminal_ready | request_to_send);
}

void DebugUart::write(char character) {
    if (!enabled.load(std::memory_order_relaxed)) return;
    if (character == '\n') write('\r');
    wait_for(holding_empty);
    port_write<uint8_t>(Data, static_cast<uint8_t>(character));
}

void DebugUart::drain() { wait_for(transmitter_empty); }
void DebugUart::set_enabled(bool value) { enabled.store(value, std::memory_order_relaxed); }

}  // namespace bulkhead::kernel
