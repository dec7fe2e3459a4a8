// SPDX-License-Identifier: Apache-2.0
// A stream of bytes in both directions: what a UART driver serves, and each channel of the console service. The
// portal's badge says which client, and thereby which channel, is meant.
//
// A call never waits for the device: Write takes what there is room for, Read gives what is there, and a notification
// says when it is worth while to call again.
//
//   Write      text (text.hpp)                           -> word 0: number of bytes taken, from the start
//   Read       word 0: how many bytes at most            -> text: what is there, maybe nothing
//   Subscribe  words 0, 1: bits for readable, writable;
//              item: notification, right Signal          -> -   (and signals both at once, so that nothing is missed)
//   Open       words 2..4: a name for people to read     -> -   (console channels only; may come again)
//
// After a service was restarted a client's portals lead to the new one, which knows neither names nor subscriptions:
// it answers NotOpen, and the client opens and subscribes again (char_client.hpp does so).
#pragma once

#include <cstdint>

#include "protocol/text.hpp"

namespace bulkhead::protocol {

enum class CharOperation : uint8_t { Write = 1, Read, Subscribe, Open };

enum class CharResult : uint8_t {
    Ok = 0,
    BadMessage,
    NotOpen,  ///< open and subscribe first
};

constexpr uint32_t char_label(CharOperation operation, size_t text_bytes = 0) {
    return static_cast<uint32_t>(TextLabel::Operation::make(static_cast<uint8_t>(operation)) |
                                 TextLabel::SizeBytes::make(static_cast<uint16_t>(text_bytes)));
}
constexpr uint32_t char_label(CharResult result, size_t text_bytes = 0) {
    return static_cast<uint32_t>(TextLabel::Operation::make(static_cast<uint8_t>(result)) |
                                 TextLabel::SizeBytes::make(static_cast<uint16_t>(text_bytes)));
}

}  // namespace bulkhead::protocol
