// SPDX-License-Identifier: Apache-2.0
#include "servers/console/multiplexer.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::console {
namespace {

constexpr char escape_key = 0x1d;  // Ctrl-]
constexpr unsigned channels = protocol::max_console_channels;

/// Writes a small number.
size_t put_number(char* into, unsigned value) {
    size_t size = 0;
    if (value >= 10) into[size++] = static_cast<char>('0' + value / 10);
    into[size++] = static_cast<char>('0' + value % 10);
    return size;
}

}  // namespace

Multiplexer::Multiplexer(MultiplexerState& state, ChannelEnd& ends, Mode mode)
    : state_{state}, ends_{ends}, mode_{mode} {
    state_.log.repair();
    // The first guest has the terminal until somebody chooses another.
    if (state_.focus == 0 || state_.focus >= channels) state_.focus = 1;
    for (MultiplexerState::Channel& channel : state_.channels) channel.name[sizeof(channel.name) - 1] = 0;
}

void Multiplexer::name_channel(unsigned channel, std::string_view name) {
    if (channel == 0 || channel >= channels) return;
    MultiplexerState::Channel& target = state_.channels[channel];
    if (target.announced && name == target.name) return;
    const size_t size = std::min(name.size(), sizeof(target.name) - 1);
    std::memset(target.name, 0, sizeof(target.name));
    // The name is the guest's manifest name, but it came in a message: only printable text reaches the log.
    for (size_t index = 0; index < size; ++index)
        target.name[index] = name[index] > ' ' && name[index] < 0x7f ? name[index] : '?';
    target.announced = true;

    char line[64] = "console: channel ";
    size_t used = std::strlen(line);
    used += put_number(line + used, channel);
    log({line, used});
    log(" = vm ");
    log(target.name);
    log("\n");
}

void Multiplexer::remember_log(std::string_view text) { state_.log_history.append(text); }

size_t Multiplexer::produce(std::span<char> out) {
    Output output{out};
    while (output.left() >= largest_piece && round(output)) {
    }
    return output.used;
}

bool Multiplexer::round(Output& out) {
    bool any = false;
    for (unsigned piece = 0; piece < log_pieces_per_round && out.left() >= largest_piece; ++piece)
        any = (replay_ != nullptr ? replay_piece(out) : log_piece(out)) || any;
    for (unsigned turn = 1; turn < channels && out.left() >= largest_piece; ++turn) {
        any = guest_piece(next_channel_, out) || any;
        next_channel_ = next_channel_ + 1 < channels ? next_channel_ + 1 : 1;
    }
    return any;
}

bool Multiplexer::log_piece(Output& out) {
    char text[piece_bytes];
    const size_t size = state_.log.take(text);
    if (size == 0) return false;
    state_.log_history.append({text, size});
    if (mode_ == Mode::Framed) {
        frame(protocol::console_log_channel, {text, size}, out);
    } else {
        log_text({text, size}, out);
    }
    return true;
}

bool Multiplexer::guest_piece(unsigned channel, Output& out) {
    // The focused guest waits while history is shown, so that its bytes stay in order.
    const bool focused = channel == state_.focus;
    if (mode_ == Mode::Terminal && focused && replay_ != nullptr) return false;
    char text[piece_bytes];
    const size_t size = ends_.take(channel, text);
    if (size == 0) return false;
    state_.channels[channel].history.append({text, size});
    if (mode_ == Mode::Framed) {
        frame(channel, {text, size}, out);
    } else if (focused) {
        guest_text({text, size}, out);
    }
    return true;
}

bool Multiplexer::replay_piece(Output& out) {
    char text[piece_bytes];
    const uint64_t left = replay_end_ - std::min(replay_position_, replay_end_);
    const size_t size = replay_->read(replay_position_, std::span{text, std::min<uint64_t>(piece_bytes, left)});
    if (size == 0) {
        replay_ = nullptr;
        return true;
    }
    replay_log_ ? log_text({text, size}, out) : guest_text({text, size}, out);
    return true;
}

void Multiplexer::frame(unsigned channel, std::string_view text, Output& out) {
    put_frame_header(out.space.data() + out.used, channel, text.size());
    out.used += frame_header_bytes;
    out.put(text);
}

void Multiplexer::log_text(std::string_view text, Output& out) {
    for (char character : text) {
        if (!log_line_open_) {
            out.put(line_open_ ? "\r\n# " : "# ");
            log_line_open_ = line_open_ = true;
        }
        if (character == '\n') {
            out.put("\r\n");
            log_line_open_ = line_open_ = false;
        } else {
            out.put(character);
        }
    }
}

void Multiplexer::guest_text(std::string_view text, Output& out) {
    if (log_line_open_) {
        out.put("\r\n");
        log_line_open_ = false;
    }
    out.put(text);
    line_open_ = text.back() != '\n';
}

void Multiplexer::consume(std::string_view input) {
    if (mode_ == Mode::Terminal) return terminal_input(input);
    decoder_.feed(input, [&](unsigned channel, std::string_view text) {
        if (channel != protocol::console_log_channel && channel < channels) ends_.give(channel, text);
    });
}

void Multiplexer::terminal_input(std::string_view input) {
    for (char key : input) {
        if (after_escape_) {
            after_escape_ = false;
            command(key);
        } else if (key == escape_key) {
            after_escape_ = true;
        } else {
            ends_.give(state_.focus, {&key, 1});
        }
    }
}

void Multiplexer::command(char key) {
    if (key >= '1' && key <= '9') {
        focus(static_cast<unsigned>(key - '0'));
    } else if (key == 'l') {
        replay_ = &state_.log_history;
        replay_log_ = true;
        replay_position_ = 0;
        replay_end_ = state_.log_history.end();
    } else if (key == 'h') {
        ends_.halt();
    } else if (key == escape_key) {
        ends_.give(state_.focus, {&key, 1});
    }
}

void Multiplexer::focus(unsigned channel) {
    const MultiplexerState::Channel& target = state_.channels[channel];
    log("console: ");
    log(target.announced ? target.name : "no such channel");
    log("\n");
    if (!target.announced) return;
    state_.focus = channel;
    replay_ = &target.history;
    replay_log_ = false;
    replay_position_ = 0;
    replay_end_ = target.history.end();
}

}  // namespace bulkhead::console
