// SPDX-License-Identifier: Apache-2.0
#include "servers/console/multiplexer.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

namespace bulkhead::console {
namespace {

class Console : public ChannelEnd {
  public:
    explicit Console(Mode mode) : multiplexer{*state, *this, mode} {}

    size_t take(unsigned channel, std::span<char> into) override {
        std::string& text = output[channel];
        const size_t count = std::min(into.size(), text.size());
        text.copy(into.data(), count);
        text.erase(0, count);
        return count;
    }
    void give(unsigned channel, std::string_view text) override { input[channel] += text; }
    void halt() override { halted = true; }

    /// What goes onto the line until there is nothing left.
    std::string drain() {
        std::string line;
        char piece[1000];
        while (const size_t count = multiplexer.produce(piece)) line.append(piece, count);
        return line;
    }
    /// The same, taken apart by channel.
    std::map<unsigned, std::string> frames() {
        std::map<unsigned, std::string> channels;
        FrameDecoder decoder;
        decoder.feed(drain(), [&](unsigned channel, std::string_view text) { channels[channel] += text; });
        return channels;
    }

    std::unique_ptr<MultiplexerState> state = std::make_unique<MultiplexerState>();
    std::map<unsigned, std::string> output;
    std::map<unsigned, std::string> input;
    bool halted = false;
    Multiplexer multiplexer;
};

TEST(Multiplexer, FramesLogAndGuests) {
    Console console{Mode::Framed};
    console.multiplexer.log("[a] line\n");
    console.output[1] = "guest one";
    console.output[2] = std::string(500, 'x');
    const auto channels = console.frames();
    EXPECT_EQ(channels.at(0), "[a] line\n");
    EXPECT_EQ(channels.at(1), "guest one");
    EXPECT_EQ(channels.at(2), std::string(500, 'x'));
}

TEST(Multiplexer, AnnouncesAChannelOnce) {
    Console console{Mode::Framed};
    console.multiplexer.name_channel(1, "linux");
    console.multiplexer.name_channel(1, "linux");
    console.multiplexer.name_channel(12, "other");
    EXPECT_EQ(console.frames().at(0), "console: channel 1 = vm linux\nconsole: channel 12 = vm other\n");
}

TEST(Multiplexer, ChannelsOutOfRangeHaveNoName) {
    Console console{Mode::Framed};
    console.multiplexer.name_channel(0, "log");
    console.multiplexer.name_channel(protocol::max_console_channels, "far");
    console.multiplexer.name_channel(3, "bad\x01\nname");
    EXPECT_EQ(console.frames().at(0), "console: channel 3 = vm bad??name\n");
}

TEST(Multiplexer, AChattyGuestDoesNotStarveTheLog) {
    Console console{Mode::Framed};
    console.output[1] = std::string(100'000, 'x');
    char piece[3968];
    ASSERT_GT(console.multiplexer.produce(piece), 0u);
    console.multiplexer.log("urgent\n");
    const size_t count = console.multiplexer.produce(piece);
    EXPECT_LT((std::string{piece, count}.find("urgent")), 400u);
}

TEST(Multiplexer, GuestsShareTheLine) {
    Console console{Mode::Framed};
    console.output[1] = std::string(100'000, 'x');
    console.output[2] = std::string(100'000, 'y');
    char piece[3968];
    std::map<unsigned, size_t> bytes;
    FrameDecoder decoder;
    for (int round = 0; round < 10; ++round)
        decoder.feed({piece, console.multiplexer.produce(piece)},
                     [&](unsigned channel, std::string_view text) { bytes[channel] += text.size(); });
    EXPECT_NEAR(static_cast<double>(bytes[1]), static_cast<double>(bytes[2]), 200);
}

TEST(Multiplexer, FramedInputGoesToItsChannel) {
    Console console{Mode::Framed};
    console.multiplexer.consume(
        "\x01\x21\x23"
        "abc"
        "\x01\x22\x21"
        "d"
        "\x01\x20\x21"
        "l"
        "\x01\x60\x21"
        "f");
    EXPECT_EQ(console.input[1], "abc");
    EXPECT_EQ(console.input[2], "d");
    EXPECT_EQ(console.input.size(), 2u);
}

TEST(Multiplexer, TerminalShowsLogLinesAndTheFocusedGuest) {
    Console console{Mode::Terminal};
    console.multiplexer.name_channel(1, "linux");
    console.multiplexer.name_channel(2, "second");
    console.drain();
    console.output[1] = "prompt$ ";
    console.output[2] = "unseen";
    EXPECT_EQ(console.drain(), "prompt$ ");
    console.multiplexer.log("[a] b\n");
    EXPECT_EQ(console.drain(), "\r\n# [a] b\r\n");
}

TEST(Multiplexer, SwitchingShowsWhatAGuestHasPrinted) {
    Console console{Mode::Terminal};
    console.multiplexer.name_channel(1, "linux");
    console.multiplexer.name_channel(2, "second");
    console.output[2] = "early text";
    console.drain();
    console.multiplexer.consume(
        "\x1d"
        "2typed");
    EXPECT_NE(console.drain().find("early text"), std::string::npos);
    EXPECT_EQ(console.input[2], "typed");
    EXPECT_EQ(console.input.count(1), 0u);
    console.output[2] = "live";
    EXPECT_EQ(console.drain().substr(0, 20).find("live") != std::string::npos, true);
}

TEST(Multiplexer, CommandKeys) {
    Console console{Mode::Terminal};
    console.multiplexer.name_channel(1, "linux");
    console.multiplexer.log("remember me\n");
    console.drain();
    console.multiplexer.consume("\x1dl");
    EXPECT_NE(console.drain().find("# remember me"), std::string::npos);
    console.multiplexer.consume("\x1d\x1d");
    EXPECT_EQ(console.input[1], "\x1d");
    EXPECT_FALSE(console.halted);
    console.multiplexer.consume("\x1dh");
    EXPECT_TRUE(console.halted);
}

TEST(Multiplexer, EmptyLogLinesDoNotOverflowThePiece) {
    Console console{Mode::Terminal};
    console.multiplexer.log(std::string(2000, '\n'));
    std::string line = console.drain();
    EXPECT_EQ(line.size(), 2000u * 4);
}

TEST(Multiplexer, ASuccessorGoesOnWhereItsPredecessorWas) {
    Console console{Mode::Framed};
    console.multiplexer.name_channel(1, "linux");
    console.frames();
    console.multiplexer.log("not sent yet\n");
    Multiplexer successor{*console.state, console, Mode::Framed};
    successor.name_channel(1, "linux");
    char piece[1000];
    EXPECT_EQ((std::string{piece, successor.produce(piece)}.substr(frame_header_bytes)), "not sent yet\n");
}

}  // namespace
}  // namespace bulkhead::console
