// SPDX-License-Identifier: Apache-2.0
// The 16550 UART: register offsets and the bits this project uses. (National Semiconductor PC16550D data sheet.)
#pragma once

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

struct Uart {
    static constexpr uint16_t com1_port = 0x3f8;

    static constexpr uint16_t data = 0;
    static constexpr uint16_t interrupt_enable = 1;
    static constexpr uint16_t fifo_control = 2;
    static constexpr uint16_t line_control = 3;
    static constexpr uint16_t modem_control = 4;
    static constexpr uint16_t line_status = 5;
    static constexpr uint16_t divisor_low = 0;
    static constexpr uint16_t divisor_high = 1;

    struct FifoControl {
        using Enable = Bit<0>;
    };
    struct LineControl {
        using WordLength = BitField<0, 2>;  // 3: eight bits
        using DivisorAccess = Bit<7>;
    };
    struct ModemControl {
        using DataTerminalReady = Bit<0>;
        using RequestToSend = Bit<1>;
    };
    struct LineStatus {
        using DataReady = Bit<0>;
        using TransmitHoldingEmpty = Bit<5>;
        using TransmitterEmpty = Bit<6>;
    };
};

}  // namespace bulkhead::x86
