// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/legacy/uart.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "fakes.hpp"

namespace bulkhead::vmm {
namespace {

struct UartTest : testing::Test {
    uint8_t in(uint16_t port) { return static_cast<uint8_t>(uart.read_port(port, 1)); }
    void out(uint16_t port, unsigned value) { uart.write_port(port, 1, value); }
    void receive(std::string_view text) {
        for (char character : text) {
            input->bytes[input->received % UartInput::capacity] = static_cast<uint8_t>(character);
            ++input->received;
        }
        uart.rings_changed();
    }
    std::string sent() const {
        std::string text;
        for (uint64_t i = output->drained; i < state->sent; ++i) text += static_cast<char>(output->bytes[i % UartOutput::capacity]);
        return text;
    }

    std::unique_ptr<UartState> state = std::make_unique<UartState>();
    std::unique_ptr<UartOutput> output = std::make_unique<UartOutput>();
    std::unique_ptr<UartInput> input = std::make_unique<UartInput>();
    JournalSlot slot;
    test::FakeLines lines;
    test::FakeOutside outside;
    Uart uart{*state, *output, *input, slot, lines, 4, outside};
};

TEST_F(UartTest, LooksLikeA16550A) {
    out(2, 1);
    EXPECT_EQ(in(2), 0xc1);
    out(7, 0x5a);
    EXPECT_EQ(in(7), 0x5a);
    EXPECT_EQ(in(5), 0x60);
    out(3, 0x83);
    out(0, 0x12);
    out(1, 0x34);
    EXPECT_EQ(in(0), 0x12);
    EXPECT_EQ(in(1), 0x34);
    out(3, 0x03);
    EXPECT_EQ(in(1), 0);
    EXPECT_EQ(uart.read_port(0, 2), 0xffffu);
    EXPECT_EQ(in(6), 0xb0);
}

TEST_F(UartTest, SendsAndInterrupts) {
    out(4, 0x08);
    out(1, 0x02);
    EXPECT_TRUE(lines.levels[4]);
    EXPECT_EQ(in(2), 0x02);
    EXPECT_FALSE(lines.levels[4]);
    EXPECT_EQ(in(2), 0x01);
    out(0, 'h');
    EXPECT_TRUE(lines.levels[4]);
    out(0, 'i');
    EXPECT_EQ(sent(), "hi");
    EXPECT_EQ(outside.count(Effect::Kind::ConsoleReady), 1u);  // the drain takes both
}

TEST_F(UartTest, AFullRingHoldsTheGuestBack) {
    out(4, 0x08);
    for (std::size_t i = 0; i < UartOutput::capacity; ++i) out(0, 'x');
    out(1, 0x02);
    EXPECT_EQ(in(5) & 0x60, 0);
    EXPECT_EQ(in(2), 0x01);
    out(0, 'y');
    EXPECT_EQ(state->dropped, 1u);
    EXPECT_EQ(state->sent, UartOutput::capacity);
    output->drained = 100;
    uart.rings_changed();
    EXPECT_EQ(in(5) & 0x60, 0x60);
    EXPECT_EQ(in(2), 0x02);
    uart.rings_changed();
    EXPECT_EQ(in(2), 0x01);  // owed once only
}

TEST_F(UartTest, ReceivesThroughTheFifo) {
    out(2, 0x41);  // trigger 4
    out(4, 0x08);
    out(1, 0x01);
    receive("abc");
    EXPECT_TRUE(lines.levels[4]);
    EXPECT_EQ(in(2), 0xcc);
    receive("defghijklmnopqrstu");
    EXPECT_EQ(in(2), 0xc4);
    std::string text;
    while ((in(5) & 1) != 0) text += static_cast<char>(in(0));
    EXPECT_EQ(text, "abcdefghijklmnopqrstu");
    EXPECT_FALSE(lines.levels[4]);
    EXPECT_EQ(in(0), 0);
    receive("zz");
    out(2, 0x03);
    EXPECT_EQ(in(5) & 1, 0);
}

TEST_F(UartTest, Loopback) {
    out(4, 0x1a);  // as Linux's autoconfig does
    EXPECT_EQ(in(6) & 0xf0, 0x90);
    out(0, 0x55);
    EXPECT_EQ(in(5) & 1, 1);
    EXPECT_EQ(in(0), 0x55);
    EXPECT_EQ(sent(), "");
    EXPECT_FALSE(lines.levels[4]);
    out(0, 1);
    out(0, 2);
    EXPECT_EQ(in(5) & 2, 2);
    EXPECT_EQ(in(5) & 2, 0);
}

TEST_F(UartTest, Garbage) {
    std::mt19937 random{5};
    for (int i = 0; i < 200000; ++i) {
        const auto port = static_cast<uint16_t>(random() % 9);
        const unsigned size = 1u << random() % 3;
        if (random() % 2 != 0) {
            uart.write_port(port, size, static_cast<uint32_t>(random()));
        } else {
            (void)uart.read_port(port, size);
        }
        if (random() % 1000 == 0) output->drained = state->sent;
        if (random() % 50 == 0 && uart.input_room() > 3) receive("abc");
    }
    EXPECT_LE(state->sent - output->drained, UartOutput::capacity);
    EXPECT_LE(state->taken, input->received);
}

}  // namespace
}  // namespace bulkhead::vmm
