// SPDX-License-Identifier: Apache-2.0
// A 16550A UART (National Semiconductor PC16550D). Output goes into a ring that the console's thread empties, so a
// guest that prints can neither block the monitor nor make it work without bound: a full ring holds "transmitter
// empty" back. Input comes from a ring as well, of which the guest sees the first 16 bytes as its FIFO.
//
// Both rings lie in the device-state memory. Their positions count bytes for ever; a position is state of this model
// and committed with it, so that an exit that is computed again stores the same byte at the same place.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/device/seams.hpp"

namespace bulkhead::vmm {

struct UartState {
    uint8_t interrupt_enable;
    uint8_t fifo_control;
    uint8_t line_control;
    uint8_t modem_control;
    uint8_t scratch;
    uint8_t divisor_low;
    uint8_t divisor_high;
    uint8_t modem_deltas;
    uint8_t transmit_interrupt;  ///< the "transmitter empty" interrupt is pending
    uint8_t overrun;
    uint8_t loopback_count;
    uint8_t line_asserted;
    uint8_t starved;  ///< the output ring was full when the guest wrote: "transmitter empty" is owed
    std::array<uint8_t, 16> loopback;
    uint64_t sent;     ///< bytes ever put into the output ring
    uint64_t taken;    ///< bytes ever taken out of the input ring
    uint64_t dropped;  ///< bytes the guest wrote although there was no room
};

/// Filled by the model, emptied by the console's thread, which alone changes `drained`.
struct UartOutput {
    static constexpr std::size_t capacity = 8192;
    std::array<uint8_t, capacity> bytes;
    uint64_t drained;  ///< bytes ever handed to the console
};

/// Filled by the console's thread, which alone changes `received`; emptied by the model.
struct UartInput {
    static constexpr std::size_t capacity = 1024;
    std::array<uint8_t, capacity> bytes;
    uint64_t received;  ///< bytes ever put in
};

class Uart final : public PortDevice {
  public:
    static constexpr uint16_t port_count = 8;

    Uart(UartState& state, UartOutput& output, UartInput& input, JournalSlot& slot, InterruptLines& lines,
         unsigned line, Outside& outside)
        : state_{state, slot}, output_{output}, input_{input}, lines_{lines}, line_{line}, outside_{outside} {}

    uint32_t read_port(uint16_t offset, unsigned size_bytes) override;
    void write_port(uint16_t offset, unsigned size_bytes, uint32_t value) override;

    /// The console's thread changed `drained` or `received` (machine lock held).
    void rings_changed();
    /// How many bytes of input there is room for.
    std::size_t input_room() const;

  private:
    uint8_t read_register(unsigned index);
    void write_register(unsigned index, uint8_t value);
    uint8_t receive();
    void transmit(uint8_t byte);
    uint8_t interrupt_identification() const;
    uint8_t line_status() const;
    uint8_t modem_status() const;
    void write_modem_control(uint8_t value);
    void update_line();
    bool divisor_access() const;
    bool fifo_enabled() const;
    bool loopback() const;
    std::size_t readable() const;
    bool room() const;

    Stored<UartState> state_;
    UartOutput& output_;
    UartInput& input_;
    InterruptLines& lines_;
    unsigned line_;
    Outside& outside_;
};

}  // namespace bulkhead::vmm
