// SPDX-License-Identifier: Apache-2.0
// A 16550 with its FIFOs, driven by interrupts (National Semiconductor PC16550D data sheet, section 8). `Ports` is the
// way to the registers: port instructions in the driver, a fake in the tests. One thread.
#pragma once

#include <cstdint>
#include <span>

#include "base/bit_field.hpp"

namespace bulkhead::uart {

enum class Offset : uint8_t {
    Data = 0,
    InterruptEnable = 1,
    InterruptId = 2,
    FifoControl = 2,
    LineControl = 3,
    ModemControl = 4,
    LineStatus = 5,
    ModemStatus = 6
};

struct InterruptEnable {
    static constexpr uint8_t Received = 1 << 0;
    static constexpr uint8_t TransmitterEmpty = 1 << 1;
};
struct InterruptId {
    static constexpr uint8_t None = 1 << 0;  ///< set when no interrupt is pending
};
struct FifoControl {
    static constexpr uint8_t Enable = 1 << 0;
    static constexpr uint8_t ClearReceiver = 1 << 1;
    static constexpr uint8_t Trigger8 = 2 << 6;
};
struct LineControl {
    static constexpr uint8_t EightBits = 3;
    static constexpr uint8_t DivisorAccess = 1 << 7;
};
struct ModemControl {
    static constexpr uint8_t TerminalReady = 1 << 0;
    static constexpr uint8_t RequestToSend = 1 << 1;
    static constexpr uint8_t InterruptsOut = 1 << 3;  ///< OUT2 gates the interrupt line on PCs
};
struct LineStatus {
    static constexpr uint8_t DataReady = 1 << 0;
    static constexpr uint8_t HoldingEmpty = 1 << 5;
    static constexpr uint8_t TransmitterEmpty = 1 << 6;
};

inline constexpr unsigned fifo_bytes = 16;

template <typename Ports>
class Uart {
  public:
    explicit Uart(Ports ports) : ports_{ports} {}

    /// Whether there is a device at all: an absent one reads as all ones, and keeps nothing.
    bool present() {
        write(Offset::LineControl, LineControl::EightBits);
        return read(Offset::LineControl) == LineControl::EightBits && read(Offset::LineStatus) != 0xff;
    }

    /// Takes over from whoever used it before: what is on its way out goes out first.
    void start() {
        for (unsigned tries = 0; tries < drain_tries && (read(Offset::LineStatus) & LineStatus::TransmitterEmpty) == 0;)
            ++tries;
        write(Offset::InterruptEnable, 0);
        write(Offset::LineControl, LineControl::DivisorAccess | LineControl::EightBits);
        write(Offset::Data, 1);  // divisor 1: 115,200 baud
        write(Offset::InterruptEnable, 0);
        write(Offset::LineControl, LineControl::EightBits);
        write(Offset::FifoControl, FifoControl::Enable | FifoControl::ClearReceiver | FifoControl::Trigger8);
        write(Offset::ModemControl,
              ModemControl::TerminalReady | ModemControl::RequestToSend | ModemControl::InterruptsOut);
        enabled_ = InterruptEnable::Received;
        write(Offset::InterruptEnable, enabled_);
    }

    /// Whether all that was written is on the line.
    bool idle() { return (read(Offset::LineStatus) & LineStatus::TransmitterEmpty) != 0; }

    /// Serves the device until it has nothing more to say: `received(byte)` for input, `next(byte)` for output, which
    /// returns false when there is none. Ends after a bounded number of rounds, so that a mad device cannot hold the
    /// driver; false if it ended so. An edge-triggered line tells only of new causes: all must be gone in the end.
    template <typename Received, typename Next>
    bool serve(Received received, Next next) {
        for (unsigned round = 0; round < maximum_rounds; ++round) {
            const bool got = receive(received);
            const bool sent = transmit(next);
            if (!got && !sent && (read(Offset::InterruptId) & InterruptId::None) != 0) return true;
        }
        return false;
    }

  private:
    static constexpr unsigned maximum_rounds = 64;
    static constexpr unsigned drain_tries = 1'000'000;

    template <typename Received>
    bool receive(Received received) {
        unsigned count = 0;
        for (; count < fifo_bytes && (read(Offset::LineStatus) & LineStatus::DataReady) != 0; ++count)
            received(static_cast<char>(read(Offset::Data)));
        return count != 0;
    }

    template <typename Next>
    bool transmit(Next next) {
        if ((read(Offset::LineStatus) & LineStatus::HoldingEmpty) == 0) {
            enable_transmitter_interrupt(true);
            return false;
        }
        unsigned count = 0;
        for (char byte = 0; count < fifo_bytes && next(byte); ++count) write(Offset::Data, static_cast<uint8_t>(byte));
        enable_transmitter_interrupt(count != 0);
        return count != 0;
    }

    void enable_transmitter_interrupt(bool on) {
        const uint8_t wanted = InterruptEnable::Received | (on ? InterruptEnable::TransmitterEmpty : 0);
        if (wanted == enabled_) return;
        enabled_ = wanted;
        write(Offset::InterruptEnable, wanted);
    }

    uint8_t read(Offset offset) { return ports_.read(static_cast<uint8_t>(offset)); }
    void write(Offset offset, uint8_t value) { ports_.write(static_cast<uint8_t>(offset), value); }

    Ports ports_;
    uint8_t enabled_ = 0;
};

}  // namespace bulkhead::uart
