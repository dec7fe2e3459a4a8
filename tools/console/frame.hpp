// SPDX-License-Identifier: Apache-2.0
// The framed serial protocol: many consoles on one UART.
//
// A frame is the byte 0x01, 0x20 + channel (0..94), 0x20 + length (1..95), and that many payload bytes, in both
// directions. Channel 0 is the system log, the others are guest consoles. Bytes outside frames are the kernel's
// own text (early log, panics), which may break off a frame at any place: a frame's header that is not well
// formed is taken as text, so nothing is ever swallowed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "protocol/console.hpp"

namespace bulkhead::tool {

/// Takes a byte stream apart; works on pieces of any size.
class FrameDemux {
  public:
    using TextSink = std::function<void(std::string_view)>;
    using ChannelSink = std::function<void(unsigned channel, std::string_view payload)>;

    FrameDemux(TextSink text, ChannelSink channel) : text_(std::move(text)), channel_(std::move(channel)) {}

    void feed(std::string_view bytes);
    /// The stream is over: what is left of an unfinished frame is delivered as far as it came.
    void finish();

  private:
    enum class State { Text, Channel, Length, Payload };

    void deliver_header_as_text(std::string_view rest);

    TextSink text_;
    ChannelSink channel_;
    State state_ = State::Text;
    unsigned channel_number_ = 0;
    unsigned wanted_ = 0;
    std::string payload_;
};

/// `bytes` as frames of one channel.
[[nodiscard]] std::string encode_frames(unsigned channel, std::string_view bytes);

/// Cuts a stream into lines, without their ends (LF or CR LF).
class LineSplitter {
  public:
    using Sink = std::function<void(std::string_view)>;
    explicit LineSplitter(Sink sink) : sink_(std::move(sink)) {}
    void feed(std::string_view bytes);
    void finish();

  private:
    Sink sink_;
    std::string line_;
};

}  // namespace bulkhead::tool
