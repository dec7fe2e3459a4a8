// SPDX-License-Identifier: Apache-2.0
// Reads structures out of bytes that came from outside (firmware, boot loader): bounds are checked, alignment does not
// matter, nothing is read twice.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>

namespace bulkhead {

using Bytes = std::span<const std::byte>;

/// A copy of the T at `offset`, or nothing if it does not lie within `bytes`.
template <typename T>
requires std::is_trivially_copyable_v<T> std::optional<T> read_at(Bytes bytes, std::size_t offset) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    __builtin_memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

}  // namespace bulkhead
