// SPDX-License-Identifier: Apache-2.0
// Reads structures out of bytes that came from outside (firmware, boot loader): bounds are checked, alignment does not
// matter, nothing is read twice.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace bulkhead::kernel {

using Bytes = std::span<const std::byte>;

/// A copy of the T at `offset`, or nothing if it does not lie within `bytes`.
template <typename T>
requires std::is_trivially_copyable_v<T> std::optional<T> read_at(Bytes bytes, std::size_t offset) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    __builtin_memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

/// The bytes from `offset` on, none if that is behind the end.
inline Bytes tail(Bytes bytes, std::size_t offset) { return offset < bytes.size() ? bytes.subspan(offset) : Bytes{}; }

/// The text at the start of `bytes`, up to a NUL or the end.
inline std::string_view text_in(Bytes bytes) {
    const auto* characters = reinterpret_cast<const char*>(bytes.data());
    std::size_t length = 0;
    while (length < bytes.size() && characters[length] != '\0') ++length;
    return {characters, length};
}

}  // namespace bulkhead::kernel
