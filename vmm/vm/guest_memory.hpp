// SPDX-License-Identifier: Apache-2.0
// Access to a guest's RAM: the only way in which the monitor follows a guest-physical address. Every access is
// checked against the list of RAM blocks and reads each byte once, because the guest changes its memory meanwhile
// (a value that was checked must be the value that is used). Immutable after set-up, so all handlers share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "base/address.hpp"
#include "base/range.hpp"
#include "base/result.hpp"
#include "base/static_vector.hpp"

namespace bulkhead::vmm {

/// Guest-physical [start, start + size) is the monitor's memory at `host`.
struct RamBlock {
    GuestPhysicalAddress start;
    uint64_t size_bytes = 0;
    std::byte* host = nullptr;
};

enum class GuestMemoryError : uint8_t {
    Empty,        ///< a block without bytes
    Unaligned,    ///< start or size is not a multiple of the page size
    Wraps,        ///< the block ends beyond the address space
    Overlaps,     ///< the block shares addresses with another one
    TooManyBlocks,
};

class GuestMemory {
  public:
    static constexpr std::size_t max_blocks = 8;

    Result<void, GuestMemoryError> add(const RamBlock& block);

    std::span<const RamBlock> blocks() const { return {blocks_.data(), blocks_.size()}; }
    uint64_t size_bytes() const;
    /// Whether all of [start, start + size) is RAM.
    bool contains(GuestPhysicalAddress start, uint64_t size_bytes) const;

    /// Copies out of guest memory; false, with `destination` undefined, if a byte of it is not RAM.
    [[nodiscard]] bool read(GuestPhysicalAddress source, std::span<std::byte> destination) const;
    /// Copies into guest memory; nothing is written if a byte of it is not RAM.
    [[nodiscard]] bool write(GuestPhysicalAddress destination, std::span<const std::byte> source) const;
    /// Clears guest memory; nothing is written if a byte of it is not RAM.
    [[nodiscard]] bool fill_zero(GuestPhysicalAddress destination, uint64_t size_bytes) const;

    /// One value, fetched by one load if it is naturally aligned.
    template <typename T>
    std::optional<T> read_value(GuestPhysicalAddress source) const {
        static_assert(std::is_trivially_copyable_v<T>);
        if constexpr (std::is_integral_v<T>) {
            if (const std::byte* host = find(source, sizeof(T)); host != nullptr && source.aligned(sizeof(T))) {
                return *reinterpret_cast<const volatile T*>(host);
            }
        }
        T value{};
        if (!read(source, std::as_writable_bytes(std::span{&value, 1}))) return std::nullopt;
        return value;
    }
    template <typename T>
    [[nodiscard]] bool write_value(GuestPhysicalAddress destination, const T& value) const {
        static_assert(std::is_trivially_copyable_v<T>);
        if constexpr (std::is_integral_v<T>) {
            if (std::byte* host = find(destination, sizeof(T)); host != nullptr && destination.aligned(sizeof(T))) {
                *reinterpret_cast<volatile T*>(host) = value;
                return true;
            }
        }
        return write(destination, std::as_bytes(std::span{&value, 1}));
    }
    /// Sets bits of an aligned integer as one atomic step; false if it is not RAM or not aligned.
    template <typename T>
    [[nodiscard]] bool set_bits(GuestPhysicalAddress destination, T bits) const {
        std::byte* host = find(destination, sizeof(T));
        if (host == nullptr || !destination.aligned(sizeof(T))) return false;
        __atomic_fetch_or(reinterpret_cast<T*>(host), bits, __ATOMIC_SEQ_CST);
        return true;
    }

    /// The memory behind [start, start + size) if one block holds it all, else null.
    std::byte* find(GuestPhysicalAddress start, uint64_t size_bytes) const;

  private:
    const RamBlock* block_of(GuestPhysicalAddress address) const;
    template <typename Step>
    bool for_each_piece(GuestPhysicalAddress start, uint64_t size_bytes, Step step) const;

    StaticVector<RamBlock, max_blocks> blocks_;
};

}  // namespace bulkhead::vmm
