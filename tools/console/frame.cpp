// SPDX-License-Identifier: Apache-2.0
#include "tools/console/frame.hpp"

#include <algorithm>
#include <utility>

namespace bulkhead::tool {

namespace {

constexpr char kStart = protocol::frame_mark;
constexpr unsigned kBias = protocol::frame_bias;
constexpr std::size_t kMaximumPayload = protocol::max_frame_payload;

unsigned unbiased(char byte) { return static_cast<unsigned char>(byte) - kBias; }

}  // namespace

void FrameDemux::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const char byte = bytes.front();
        switch (state_) {
            case State::Text: {
                const auto end = std::min(bytes.find(kStart), bytes.size());
                if (end != 0) text_(bytes.substr(0, end));
                bytes.remove_prefix(end);
                if (!bytes.empty()) {
                    bytes.remove_prefix(1);
                    state_ = State::Channel;
                }
                break;
            }
            case State::Channel:
                channel_number_ = unbiased(byte);
                if (channel_number_ > protocol::max_frame_channel) {
                    deliver_header_as_text(std::string(1, kStart));
                    break;
                }
                bytes.remove_prefix(1);
                state_ = State::Length;
                break;
            case State::Length:
                wanted_ = unbiased(byte);
                if (wanted_ == 0 || wanted_ > kMaximumPayload) {
                    deliver_header_as_text(std::string{kStart, static_cast<char>(kBias + channel_number_)});
                    break;
                }
                bytes.remove_prefix(1);
                payload_.clear();
                state_ = State::Payload;
                break;
            case State::Payload: {
                const auto count = std::min<std::size_t>(wanted_ - payload_.size(), bytes.size());
                payload_.append(bytes.substr(0, count));
                bytes.remove_prefix(count);
                if (payload_.size() == wanted_) {
                    state_ = State::Text;
                    channel_(channel_number_, payload_);
                }
                break;
            }
        }
    }
}

void FrameDemux::finish() {
    switch (state_) {
        case State::Text: break;
        case State::Channel: text_(std::string(1, kStart)); break;
        case State::Length: text_(std::string{kStart, static_cast<char>(kBias + channel_number_)}); break;
        case State::Payload:
            if (!payload_.empty()) channel_(channel_number_, payload_);
            break;
    }
    state_ = State::Text;
}

void FrameDemux::deliver_header_as_text(std::string_view rest) {
    text_(rest);
    state_ = State::Text;
}

std::string encode_frames(unsigned channel, std::string_view bytes) {
    std::string frames;
    while (!bytes.empty()) {
        const auto part = bytes.substr(0, kMaximumPayload);
        frames += kStart;
        frames += static_cast<char>(kBias + channel);
        frames += static_cast<char>(kBias + part.size());
        frames += part;
        bytes.remove_prefix(part.size());
    }
    return frames;
}

void LineSplitter::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        if (end == std::string_view::npos) {
            line_ += bytes;
            return;
        }
        line_ += bytes.substr(0, end);
        bytes.remove_prefix(end + 1);
        finish();
        if (bytes.empty()) return;
    }
}

void LineSplitter::finish() {
    while (line_.ends_with('\r')) line_.pop_back();
    const std::string line = std::exchange(line_, {});
    sink_(line);
}

}  // namespace bulkhead::tool
