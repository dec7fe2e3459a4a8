// SPDX-License-Identifier: Apache-2.0
#include "servers/console/frame_decoder.hpp"

namespace bulkhead::console {

void FrameDecoder::header(char byte) {
    const unsigned value = static_cast<unsigned char>(byte) - static_cast<unsigned char>(protocol::frame_bias);
    // A mark begins a frame wherever it comes: whatever was before it was broken off.
    if (byte == protocol::frame_mark) {
        state_ = State::Channel;
    } else if (state_ == State::Channel && value <= protocol::max_frame_channel) {
        channel_ = value;
        state_ = State::Length;
    } else if (state_ == State::Length && value >= 1 && value <= protocol::max_frame_payload) {
        remaining_ = value;
        state_ = State::Payload;
    } else {
        state_ = State::Mark;
    }
}

}  // namespace bulkhead::console
