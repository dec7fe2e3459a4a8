// SPDX-License-Identifier: Apache-2.0
// Sizes, durations and port ranges as people write them in a manifest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bulkhead::manifest {

/// "64K", "1M", "2G", or a plain number of bytes.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
/// "500us", "20ms", "1s" as nanoseconds.
[[nodiscard]] std::optional<std::uint64_t> parse_duration_ns(std::string_view text);
/// "3f8-3ff" or "70", hexadecimal: first and last.
[[nodiscard]] std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_port_range(std::string_view text);
/// Hexadecimal, with or without 0x.
[[nodiscard]] std::optional<std::uint64_t> parse_hexadecimal(std::string_view text);

/// For messages: "512M".
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace bulkhead::manifest
