// SPDX-License-Identifier: Apache-2.0
// Bit fields of hardware registers and messages as types: position, width and value type stand in one declaration.
#pragma once

#include <concepts>
#include <cstdint>

namespace bulkhead {

/// Bits [Low, Low + Width) of a 64-bit word, holding a `Value` (an unsigned type, bool or an enumeration).
template <unsigned Low, unsigned Width, typename Value = uint64_t>
struct BitField {
    static_assert(Width >= 1 && Low + Width <= 64);
    static constexpr unsigned low = Low;
    static constexpr unsigned width = Width;
    static constexpr uint64_t value_mask = Width == 64 ? ~uint64_t{0} : (uint64_t{1} << Width) - 1;
    static constexpr uint64_t mask = value_mask << Low;

    static constexpr Value read(uint64_t word) { return static_cast<Value>((word >> Low) & value_mask); }
    static constexpr uint64_t make(Value value) { return (static_cast<uint64_t>(value) & value_mask) << Low; }
    static constexpr uint64_t write(uint64_t word, Value value) { return (word & ~mask) | make(value); }
};

/// One bit.
template <unsigned Position>
using Bit = BitField<Position, 1, bool>;

/// A set of enumerators, each of which is a bit mask. Use where several flags travel in one word.
template <typename Enumeration>
class Flags {
  public:
    using Word = std::underlying_type_t<Enumeration>;

    constexpr Flags() = default;
    template <std::same_as<Enumeration>... More>
    constexpr Flags(Enumeration flag, More... more)
        : word_{static_cast<Word>((static_cast<Word>(flag) | ... | static_cast<Word>(more)))} {}
    static constexpr Flags from_word(Word word) { return Flags{word}; }

    constexpr Word word() const { return word_; }
    constexpr bool empty() const { return word_ == 0; }
    constexpr bool has(Enumeration flag) const { return (word_ & static_cast<Word>(flag)) == static_cast<Word>(flag); }
    /// Whether all flags of `other` are in this set.
    constexpr bool contains(Flags other) const { return (word_ & other.word_) == other.word_; }
    constexpr Flags operator|(Flags other) const { return from_word(static_cast<Word>(word_ | other.word_)); }
    constexpr Flags operator&(Flags other) const { return from_word(static_cast<Word>(word_ & other.word_)); }
    constexpr bool operator==(const Flags&) const = default;

  private:
    constexpr explicit Flags(Word word) : word_{word} {}

    Word word_ = 0;
};

}  // namespace bulkhead
