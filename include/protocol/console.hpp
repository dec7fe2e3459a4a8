// SPDX-License-Identifier: Apache-2.0
// The console service (servers/console): a char device (char_device.hpp) per client, one channel each.
//
// A channel's number is its client's badge, which the supervisor assigns: virtual machines in the order of the
// manifest from 1 on. Channel 0 is the system log. On the serial line, in framed mode (boot command line
// `console=framed`), every piece of a channel is a frame: 0x01, 0x20 + channel, 0x20 + n, n bytes (n = 1..95).
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/char_device.hpp"

namespace bulkhead::protocol {

inline constexpr unsigned console_log_channel = 0;
inline constexpr unsigned max_console_channels = 16;  ///< the log included

inline constexpr char frame_mark = 0x01;
inline constexpr char frame_bias = 0x20;
inline constexpr unsigned max_frame_channel = 94;
inline constexpr size_t max_frame_payload = 95;

}  // namespace bulkhead::protocol
