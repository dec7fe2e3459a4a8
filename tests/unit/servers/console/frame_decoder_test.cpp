// SPDX-License-Identifier: Apache-2.0
#include "servers/console/frame_decoder.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace bulkhead::console {
namespace {

std::string framed(unsigned channel, const std::string& text) {
    char header[frame_header_bytes];
    put_frame_header(header, channel, text.size());
    return std::string(header, sizeof(header)) + text;
}

std::map<unsigned, std::string> decode(FrameDecoder& decoder, const std::string& bytes) {
    std::map<unsigned, std::string> channels;
    decoder.feed(bytes, [&](unsigned channel, std::string_view text) { channels[channel] += text; });
    return channels;
}

TEST(FrameDecoder, HeaderIsAsDocumented) {
    EXPECT_EQ(framed(3, "ab"),
              "\x01\x23\x22"
              "ab");
}

TEST(FrameDecoder, SortsChannels) {
    FrameDecoder decoder;
    const auto channels = decode(decoder, framed(1, "one") + framed(2, "two") + framed(1, "more") + framed(94, "z"));
    EXPECT_EQ(channels.at(1), "onemore");
    EXPECT_EQ(channels.at(2), "two");
    EXPECT_EQ(channels.at(94), "z");
}

TEST(FrameDecoder, TakesPiecesOfAnySize) {
    FrameDecoder decoder;
    const std::string bytes = framed(1, std::string(95, 'x')) + framed(2, "y");
    std::string one;
    std::string two;
    for (const char byte : bytes)
        decoder.feed({&byte, 1}, [&](unsigned channel, std::string_view text) { (channel == 1 ? one : two) += text; });
    EXPECT_EQ(one, std::string(95, 'x'));
    EXPECT_EQ(two, "y");
}

TEST(FrameDecoder, DropsNoiseAndFindsTheNextFrame) {
    FrameDecoder decoder;
    const auto channels =
        decode(decoder, "noise\x01\x21" + framed(1, "good") + "\x01\x7f\x7f" + "\x01\x21\x20" + framed(1, "!"));
    EXPECT_EQ(channels.at(1), "good!");
    EXPECT_EQ(channels.size(), 1u);
}

TEST(FrameDecoder, PayloadMayHoldMarks) {
    FrameDecoder decoder;
    EXPECT_EQ(decode(decoder, framed(1, "\x01\x21\x22")).at(1), "\x01\x21\x22");
}

TEST(FrameDecoder, GarbageDoesNoHarm) {
    std::mt19937 random{7};
    FrameDecoder decoder;
    for (int round = 0; round < 2000; ++round) {
        std::string bytes(random() % 50, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random() % 4 == 0 ? 1 : random());
        decoder.feed(bytes, [](unsigned channel, std::string_view text) {
            ASSERT_LE(channel, protocol::max_frame_channel);
            ASSERT_FALSE(text.empty());
        });
    }
}

}  // namespace
}  // namespace bulkhead::console
