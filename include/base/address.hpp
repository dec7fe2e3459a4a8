// SPDX-License-Identifier: Apache-2.0
// Addresses of different spaces as different types, so that they cannot be mixed up. All are byte addresses.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace bulkhead {

inline constexpr uint64_t page_size_bytes = 4096;
inline constexpr unsigned page_shift = 12;

// For an `alignment` that is a power of two.
constexpr bool is_aligned(uint64_t value, uint64_t alignment) { return (value & (alignment - 1)) == 0; }
constexpr uint64_t align_up(uint64_t value, uint64_t alignment) { return (value + alignment - 1) & ~(alignment - 1); }
constexpr uint64_t align_down(uint64_t value, uint64_t alignment) { return value & ~(alignment - 1); }
constexpr bool is_power_of_two(uint64_t value) { return value != 0 && (value & (value - 1)) == 0; }

/// An address in the space named by `Space`. Arithmetic wraps like the hardware's; check ranges with `Range`.
template <typename Space>
class Address {
  public:
    constexpr Address() = default;
    constexpr explicit Address(uint64_t value) : value_{value} {}

    constexpr uint64_t value() const { return value_; }
    constexpr auto operator<=>(const Address&) const = default;
    constexpr Address operator+(uint64_t bytes) const { return Address{value_ + bytes}; }
    constexpr Address operator-(uint64_t bytes) const { return Address{value_ - bytes}; }
    constexpr uint64_t operator-(Address other) const { return value_ - other.value_; }
    constexpr Address& operator+=(uint64_t bytes) { return *this = *this + bytes; }
    constexpr bool aligned(uint64_t alignment) const { return is_aligned(value_, alignment); }
    constexpr Address align_down(uint64_t alignment) const { return Address{bulkhead::align_down(value_, alignment)}; }
    constexpr Address align_up(uint64_t alignment) const { return Address{bulkhead::align_up(value_, alignment)}; }
    constexpr uint64_t page_offset() const { return value_ & (page_size_bytes - 1); }

  private:
    uint64_t value_ = 0;
};

/// Host-physical, as the processor drives it.
using PhysicalAddress = Address<struct PhysicalSpace>;
/// What a guest believes to be physical.
using GuestPhysicalAddress = Address<struct GuestPhysicalSpace>;

}  // namespace bulkhead
