// SPDX-License-Identifier: Apache-2.0
// Sizes as people write them: 512M, 2G, 65536.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::tool {

/// Parses a number of bytes with an optional K, M or G (powers of two, either case, optional trailing "iB" or
/// "B"). Nothing on anything else, on zero and on overflow.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

/// The shortest exact spelling parse_size() accepts.
[[nodiscard]] std::string format_size(std::uint64_t size_bytes);

constexpr std::uint64_t mebibytes(std::uint64_t count) { return count << 20; }

}  // namespace bulkhead::tool
