// SPDX-License-Identifier: Apache-2.0
// A vector of bounded capacity inside its owner: no allocation. Not synchronised.
#pragma once

#include <cstddef>
#include <type_traits>

namespace bulkhead {

template <typename T, std::size_t Capacity>
class StaticVector {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

  public:
    constexpr std::size_t size() const { return size_; }
    constexpr bool empty() const { return size_ == 0; }
    constexpr bool full() const { return size_ == Capacity; }
    constexpr void clear() { size_ = 0; }
    /// Appends; false if the vector is full.
    [[nodiscard]] constexpr bool push_back(const T& value) {
        if (full()) return false;
        items_[size_++] = value;
        return true;
    }
    constexpr void pop_back() { --size_; }
    constexpr bool contains(const T& value) const {
        for (const T& item : *this)
            if (item == value) return true;
        return false;
    }
    /// Takes an element out; the last one takes its place.
    constexpr void remove_at(std::size_t index) { items_[index] = items_[--size_]; }
    /// Takes out what equals `value`.
    constexpr void remove(const T& value) {
        for (std::size_t i = size_; i-- > 0;)
            if (items_[i] == value) remove_at(i);
    }
    constexpr T& operator[](std::size_t index) { return items_[index]; }
    constexpr const T& operator[](std::size_t index) const { return items_[index]; }
    constexpr T& back() { return items_[size_ - 1]; }
    constexpr const T* data() const { return items_; }
    constexpr T* begin() { return items_; }
    constexpr T* end() { return items_ + size_; }
    constexpr const T* begin() const { return items_; }
    constexpr const T* end() const { return items_ + size_; }

  private:
    T items_[Capacity]{};
    std::size_t size_ = 0;
};

}  // namespace bulkhead
