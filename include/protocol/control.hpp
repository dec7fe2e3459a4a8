// SPDX-License-Identifier: Apache-2.0
// The supervisor's portal, capability "supervisor" of every program: one portal per CPU into servers/init, whose badge
// says who calls. Calls are answered at once; what takes time happens after the reply.
//
// Message: label as in text.hpp, bits 0..7 `ControlOperation`; the reply's label is a `ControlResult`.
#pragma once

#include <cstdint>

#include "abi/message.hpp"
#include "protocol/text.hpp"
#include "protocol/vm.hpp"

namespace bulkhead::protocol {

enum class ControlOperation : uint8_t {
    /// Text: lines for the system log, which appear as `[name] line`. No words. A line may end without LF.
    Log = 1,
    /// Items: the portal of a service for one CPU (rights Call, Derive). Words: 0 the CPU, 2..4 the service's name,
    /// which the manifest must allow (`provides`). The supervisor derives a portal per client from it, with the
    /// client's badge, and puts it into the client's slot; a second offer replaces the first.
    Offer,
    /// I am alive. No words.
    Heartbeat,
    /// I am done. Word 0: status, 0 is success. The domain is destroyed after the reply, and restarted by policy.
    Exit,
    /// Ends the run of the machine. Word 0: status. Only for a component whose manifest entry has `may = ["halt"]`.
    Halt,
    /// From a monitor: its virtual machine has ended. Word 0: VmEnd. Text: one line of details for the log. The policy
    /// of the manifest applies; the monitor and, if so, its guest are destroyed after the reply.
    VmEnded,
    /// Item: a notification (right Signal). Word 0: bits that the supervisor signals whenever one of the caller's
    /// connections has been made, or made again: the service was restarted, calls to it make sense again. Word 1: bits
    /// it signals before the machine halts; it then waits a moment for the caller's Stopped.
    Watch,
    /// The machine may halt as far as the caller is concerned: all it had under way is done. No words.
    Stopped,
};

enum class ControlResult : uint8_t {
    Ok = 0,
    BadMessage,  ///< unknown operation, or text that did not arrive
    NotAllowed,  ///< the manifest does not say so
    Busy,        ///< too much at once; call again later
};

constexpr const char* name(ControlResult result) {
    constexpr const char* names[] = {"ok", "bad message", "not allowed by the manifest", "busy"};
    return result <= ControlResult::Busy ? names[static_cast<unsigned>(result)] : "unknown result";
}

/// Text for the log, as label and words; the caller sets `buffer_words` of its call to text_buffer_words(size).
constexpr uint32_t control_label(ControlOperation operation, size_t text_bytes = 0) {
    return static_cast<uint32_t>(TextLabel::Operation::make(static_cast<uint8_t>(operation)) |
                                 TextLabel::SizeBytes::make(static_cast<uint16_t>(text_bytes)));
}

}  // namespace bulkhead::protocol
