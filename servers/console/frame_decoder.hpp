// SPDX-License-Identifier: Apache-2.0
// Takes framed input apart. What is not a well-formed frame is dropped, so that noise on the line is input of nobody.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/console.hpp"

namespace bulkhead::console {

class FrameDecoder {
  public:
    /// Calls `deliver(channel, text)` for each piece of payload, in order; frames may come in pieces of any size.
    template <typename Deliver>
    void feed(std::string_view bytes, Deliver deliver) {
        while (!bytes.empty()) {
            if (state_ != State::Payload) {
                header(bytes.front());
                bytes.remove_prefix(1);
                continue;
            }
            const std::string_view piece = bytes.substr(0, remaining_);
            deliver(channel_, piece);
            remaining_ -= piece.size();
            if (remaining_ == 0) state_ = State::Mark;
            bytes.remove_prefix(piece.size());
        }
    }

  private:
    enum class State : uint8_t { Mark, Channel, Length, Payload };

    void header(char byte);

    State state_ = State::Mark;
    unsigned channel_ = 0;
    size_t remaining_ = 0;
};

/// Writes a frame's header (three bytes) for `size` bytes of payload.
inline constexpr size_t frame_header_bytes = 3;
inline void put_frame_header(char* into, unsigned channel, size_t size) {
    into[0] = protocol::frame_mark;
    into[1] = static_cast<char>(static_cast<unsigned char>(protocol::frame_bias) + channel);
    into[2] = static_cast<char>(static_cast<unsigned char>(protocol::frame_bias) + size);
}

}  // namespace bulkhead::console
