// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/debug_uart.hpp"

#include <atomic>

#include "hw/x86/uart.hpp"
#include "kernel/arch/x86_64/instructions.hpp"

namespace bulkhead::kernel {
namespace {

using x86::Uart;

constexpr uint16_t port = Uart::com1_port;
constexpr uint8_t divisor_115200 = 1;
constexpr unsigned polls = 100'000;  // a dead UART must not stop the kernel

constinit std::atomic<bool> present{false};
constinit std::atomic<bool> allowed{true};

void wait_for(uint64_t status_mask) {
    for (unsigned i = 0; i < polls; ++i) {
        if ((port_read<uint8_t>(port + Uart::line_status) & status_mask) == status_mask) return;
        cpu_relax();
    }
}

}  // namespace

void DebugUart::initialize() {
    if (port_read<uint8_t>(port + Uart::line_status) == UINT8_MAX) return;  // nothing decodes the port
    port_write<uint8_t>(port + Uart::interrupt_enable, 0);
    port_write<uint8_t>(port + Uart::line_control, Uart::LineControl::DivisorAccess::mask);
    port_write<uint8_t>(port + Uart::divisor_low, divisor_115200);
    port_write<uint8_t>(port + Uart::divisor_high, 0);
    port_write<uint8_t>(port + Uart::line_control, Uart::LineControl::WordLength::make(3));
    port_write<uint8_t>(port + Uart::fifo_control, Uart::FifoControl::Enable::mask);
    port_write<uint8_t>(port + Uart::modem_control,
                Uart::ModemControl::DataTerminalReady::mask | Uart::ModemControl::RequestToSend::mask);
    present.store(true, std::memory_order_relaxed);
}

void DebugUart::write(char character) {
    if (!present.load(std::memory_order_relaxed) || !enabled()) return;
    if (character == '\n') write('\r');
    wait_for(Uart::LineStatus::TransmitHoldingEmpty::mask);
    port_write<uint8_t>(port + Uart::data, static_cast<uint8_t>(character));
}

void DebugUart::drain() {
    if (present.load(std::memory_order_relaxed)) wait_for(Uart::LineStatus::TransmitterEmpty::mask);
}

void DebugUart::set_enabled(bool value) { allowed.store(value, std::memory_order_relaxed); }
bool DebugUart::enabled() { return allowed.load(std::memory_order_relaxed); }

}  // namespace bulkhead::kernel
