// SPDX-License-Identifier: Apache-2.0
// The only way from the kernel to a program's memory. Bounds are checked, the access is open (STAC) only for the copy,
// each byte is read once, and a page that is not there ends the copy with false instead of a fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/address.hpp"

namespace bulkhead::kernel {

/// Whether [address, +size) lies below user_end.
bool is_user_range(VirtualAddress address, std::size_t size);

[[nodiscard]] bool copy_from_user(void* destination, VirtualAddress source, std::size_t size);
[[nodiscard]] bool copy_to_user(VirtualAddress destination, const void* source, std::size_t size);

template <typename T>
requires std::is_trivially_copyable_v<T>
[[nodiscard]] bool read_user(T& value, VirtualAddress source) { return copy_from_user(&value, source, sizeof(T)); }
template <typename T>
requires std::is_trivially_copyable_v<T>
[[nodiscard]] bool write_user(VirtualAddress destination, const T& value) {
    return copy_to_user(destination, &value, sizeof(T));
}

}  // namespace bulkhead::kernel
