// SPDX-License-Identifier: Apache-2.0
// A queue of bytes between one producer and one consumer, on any two CPUs, without a lock: each side owns one counter.
// It may lie in memory that outlives its program; a successor calls `repair` before its first use.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace bulkhead::protocol {

template <size_t Capacity>
class ByteRing {
    static_assert((Capacity & (Capacity - 1)) == 0, "counters wrap, so the capacity must be a power of two");

  public:
    size_t size() const { return written_.load(std::memory_order_acquire) - read_.load(std::memory_order_acquire); }
    size_t space() const { return Capacity - size(); }
    bool empty() const { return size() == 0; }

    /// Producer: appends as much as there is room for; returns how much that was.
    size_t put(std::string_view text) {
        const uint64_t written = written_.load(std::memory_order_relaxed);
        const uint64_t read = read_.load(std::memory_order_acquire);
        const size_t count = std::min(text.size(), Capacity - static_cast<size_t>(written - read));
        const size_t start = written % Capacity;
        const size_t first = std::min(count, Capacity - start);
        std::memcpy(bytes_ + start, text.data(), first);
        std::memcpy(bytes_, text.data() + first, count - first);
        written_.store(written + count, std::memory_order_release);
        return count;
    }

    /// Consumer: takes at most as many bytes as fit; returns how many.
    size_t take(std::span<char> into) {
        const uint64_t read = read_.load(std::memory_order_relaxed);
        const uint64_t written = written_.load(std::memory_order_acquire);
        const size_t count = std::min(into.size(), static_cast<size_t>(written - read));
        const size_t start = read % Capacity;
        const size_t first = std::min(count, Capacity - start);
        std::memcpy(into.data(), bytes_ + start, first);
        std::memcpy(into.data() + first, bytes_, count - first);
        read_.store(read + count, std::memory_order_release);
        return count;
    }

    /// Before the first use by a new program: counters that make no sense empty the ring.
    void repair() {
        if (size() > Capacity) {
            read_.store(0);
            written_.store(0);
        }
    }

  private:
    std::atomic<uint64_t> written_{0};
    std::atomic<uint64_t> read_{0};
    char bytes_[Capacity];
};

/// The last `Capacity` bytes of a stream, addressed by their position since its start. One thread.
template <size_t Capacity>
class ByteHistory {
  public:
    void append(std::string_view text) {
        for (char character : text) bytes_[end_++ % Capacity] = character;
    }
    uint64_t end() const { return end_; }
    uint64_t begin() const { return end_ > Capacity ? end_ - Capacity : 0; }
    /// Copies from `position` on, or from the oldest byte kept if that is later; moves `position` behind the copy.
    size_t read(uint64_t& position, std::span<char> into) const {
        position = std::clamp(position, begin(), end_);
        const size_t count = std::min<uint64_t>(into.size(), end_ - position);
        for (size_t index = 0; index < count; ++index) into[index] = bytes_[(position + index) % Capacity];
        position += count;
        return count;
    }

  private:
    uint64_t end_ = 0;
    char bytes_[Capacity];
};

}  // namespace bulkhead::protocol
