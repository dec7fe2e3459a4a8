// SPDX-License-Identifier: Apache-2.0
// Which bytes go onto the serial line next, and which channel input belongs to.
//
// All of it lies in state memory, so a restarted console goes on where its predecessor was. Nothing here grows: each
// channel has bounded rings and a history that forgets its oldest bytes. Draining goes in rounds, in which the log may
// send several pieces and each guest one: a guest that writes without end delays the log by at most one round.
//
// Concurrency: main thread only, but for the rings' other ends (protocol/char_channel.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/byte_ring.hpp"
#include "protocol/console.hpp"
#include "servers/console/frame_decoder.hpp"

namespace bulkhead::console {

inline constexpr size_t history_bytes = 32 * 1024;
inline constexpr size_t log_ring_bytes = 8 * 1024;
using History = protocol::ByteHistory<history_bytes>;

enum class Mode : uint8_t { Terminal, Framed };

/// Where a channel's bytes come from and where its input goes: the service's rings, or a test's.
class ChannelEnd {
  public:
    virtual size_t take(unsigned channel, std::span<char> into) = 0;
    virtual void give(unsigned channel, std::string_view input) = 0;
    virtual void halt() = 0;

  protected:
    ~ChannelEnd() = default;
};

/// The lasting part. Zero is its empty state.
struct MultiplexerState {
    struct Channel {
        char name[24];
        bool announced;
        History history;
    };
    protocol::ByteRing<log_ring_bytes> log;
    History log_history;
    Channel channels[protocol::max_console_channels];  ///< [0] is not used: the log is apart
    unsigned focus;                                    ///< channel, 0: not chosen yet
};

class Multiplexer {
  public:
    Multiplexer(MultiplexerState& state, ChannelEnd& ends, Mode mode);

    /// How many bytes of log text fit now.
    size_t log_space() const { return state_.log.space(); }
    void log(std::string_view text) { state_.log.put(text); }
    /// Log text that is on the line already: for those who look back only.
    void remember_log(std::string_view text);
    /// A channel has a name now; told once on channel 0.
    void name_channel(unsigned channel, std::string_view name);

    /// Fills `out` with what goes onto the line; returns how much that is. 0: nothing to send.
    size_t produce(std::span<char> out);
    /// Bytes from the line.
    void consume(std::string_view input);

  private:
    static constexpr unsigned log_pieces_per_round = 4;
    static constexpr size_t piece_bytes = protocol::max_frame_payload;
    /// Of a piece on the line: a log of empty lines in terminal mode, where each is a mark and CR LF.
    static constexpr size_t largest_piece = 4 * piece_bytes + 8;

    /// The part of `out` not used yet.
    struct Output {
        std::span<char> space;
        size_t used = 0;

        size_t left() const { return space.size() - used; }
        void put(char character) { space[used++] = character; }
        void put(std::string_view text) {
            for (char character : text) put(character);
        }
    };

    bool round(Output& out);
    bool log_piece(Output& out);
    bool guest_piece(unsigned channel, Output& out);
    bool replay_piece(Output& out);
    static void frame(unsigned channel, std::string_view text, Output& out);
    void log_text(std::string_view text, Output& out);
    void guest_text(std::string_view text, Output& out);

    void terminal_input(std::string_view input);
    void command(char key);
    void focus(unsigned channel);

    MultiplexerState& state_;
    ChannelEnd& ends_;
    Mode mode_;
    FrameDecoder decoder_;
    unsigned next_channel_ = 1;  ///< whose turn it is; a full line must not always cut off the same one

    // Terminal mode only.
    bool line_open_ = false;      ///< the last byte sent was not the end of a line
    bool log_line_open_ = false;  ///< and it was part of a log line
    bool after_escape_ = false;
    const History* replay_ = nullptr;  ///< history being shown
    uint64_t replay_position_ = 0;
    uint64_t replay_end_ = 0;
    bool replay_log_ = false;
};

}  // namespace bulkhead::console
