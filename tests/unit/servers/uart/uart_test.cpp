// SPDX-License-Identifier: Apache-2.0
// The 16550 driver against a model of the device, and against devices that are absent or mad.
#include "servers/driver/uart/uart.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>

namespace bulkhead::uart {
namespace {

/// A 16550 as far as the driver can tell. The transmitter empties its FIFO when `tick` is called.
struct Device {
    std::deque<char> input;
    std::string fifo;
    std::string sent;
    uint8_t line_control = 0;
    uint8_t interrupt_enable = 0;
    uint8_t divisor = 0;
    uint8_t modem_control = 0;
    bool transmitter_cause = false;

    uint8_t read(uint8_t offset) {
        switch (static_cast<Offset>(offset)) {
            case Offset::Data: {
                if (input.empty()) return 0;
                const char byte = input.front();
                input.pop_front();
                return static_cast<uint8_t>(byte);
            }
            case Offset::InterruptId:
                if (!input.empty() && (interrupt_enable & InterruptEnable::Received) != 0) return 4;
                if (transmitter_cause && (interrupt_enable & InterruptEnable::TransmitterEmpty) != 0) {
                    transmitter_cause = false;
                    return 2;
                }
                return InterruptId::None;
            case Offset::LineControl:
                return line_control;
            case Offset::LineStatus:
                return static_cast<uint8_t>(
                    (input.empty() ? 0 : LineStatus::DataReady) |
                    (fifo.empty() ? LineStatus::HoldingEmpty | LineStatus::TransmitterEmpty : 0));
            default:
                return 0;
        }
    }
    void write(uint8_t offset, uint8_t value) {
        const bool divisor_access = (line_control & LineControl::DivisorAccess) != 0;
        switch (static_cast<Offset>(offset)) {
            case Offset::Data:
                if (divisor_access) {
                    divisor = value;
                } else {
                    ASSERT_LT(fifo.size(), fifo_bytes) << "the driver overruns the FIFO";
                    fifo += static_cast<char>(value);
                }
                break;
            case Offset::InterruptEnable:
                if (!divisor_access) interrupt_enable = value;
                break;
            case Offset::LineControl:
                line_control = value;
                break;
            case Offset::ModemControl:
                modem_control = value;
                break;
            default:
                break;
        }
    }
    void tick() {
        sent += fifo;
        fifo.clear();
        transmitter_cause = true;
    }
};

struct Ports {
    Device* device;
    uint8_t read(uint8_t offset) { return device->read(offset); }
    void write(uint8_t offset, uint8_t value) { device->write(offset, value); }
};

struct Client {
    std::string received;
    std::string output;
    bool serve(Uart<Ports>& uart) {
        return uart.serve([&](char byte) { received += byte; },
                          [&](char& byte) {
                              if (output.empty()) return false;
                              byte = output.front();
                              output.erase(0, 1);
                              return true;
                          });
    }
};

TEST(Uart, SetsTheLineUp) {
    Device device;
    Uart uart{Ports{&device}};
    ASSERT_TRUE(uart.present());
    uart.start();
    EXPECT_EQ(device.divisor, 1);
    EXPECT_EQ(device.line_control, LineControl::EightBits);
    EXPECT_EQ(device.interrupt_enable, InterruptEnable::Received);
    EXPECT_NE(device.modem_control & ModemControl::InterruptsOut, 0);
}

TEST(Uart, SendsAllOfALongTextInFifoSizedPieces) {
    Device device;
    Uart uart{Ports{&device}};
    uart.start();
    Client client;
    for (int i = 0; i < 1000; ++i) client.output += static_cast<char>('a' + i % 26);
    const std::string expected = client.output;
    for (int interrupt = 0; interrupt < 200 && device.sent.size() < expected.size(); ++interrupt) {
        EXPECT_TRUE(client.serve(uart));
        device.tick();
    }
    EXPECT_EQ(device.sent, expected);
}

TEST(Uart, AsksForTransmitterInterruptsOnlyWhileItSends) {
    Device device;
    Uart uart{Ports{&device}};
    uart.start();
    Client client;
    client.output = "x";
    client.serve(uart);
    EXPECT_NE(device.interrupt_enable & InterruptEnable::TransmitterEmpty, 0);
    EXPECT_FALSE(uart.idle());
    device.tick();
    client.serve(uart);
    EXPECT_EQ(device.interrupt_enable & InterruptEnable::TransmitterEmpty, 0);
    EXPECT_TRUE(uart.idle());
}

TEST(Uart, ReceivesEverythingThatIsThere) {
    Device device;
    Uart uart{Ports{&device}};
    uart.start();
    const std::string text(300, 'r');
    device.input.assign(text.begin(), text.end());
    Client client;
    EXPECT_TRUE(client.serve(uart));
    EXPECT_EQ(client.received, text);
}

/// All ones, as from a bus without a device.
struct NoDevice {
    static uint8_t read(uint8_t /*offset*/) { return 0xff; }
    static void write(uint8_t /*offset*/, uint8_t /*value*/) {}
};

TEST(Uart, NoticesThatThereIsNoDevice) { EXPECT_FALSE(Uart{NoDevice{}}.present()); }

/// Always has a byte, always an interrupt.
struct MadDevice {
    static uint8_t read(uint8_t offset) {
        return offset == static_cast<uint8_t>(Offset::LineStatus) ? LineStatus::DataReady : 0;
    }
    static void write(uint8_t /*offset*/, uint8_t /*value*/) {}
};

TEST(Uart, AMadDeviceDoesNotHoldTheDriver) {
    Uart uart{MadDevice{}};
    uart.start();
    size_t received = 0;
    EXPECT_FALSE(uart.serve([&](char) { ++received; }, [](char&) { return false; }));
    EXPECT_LE(received, 64u * fifo_bytes);
}

}  // namespace
}  // namespace bulkhead::uart
