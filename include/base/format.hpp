// SPDX-License-Identifier: Apache-2.0
// A type-safe formatter in little code: `{}` prints a value as suits its type (numbers decimal, addresses and pointers
// hexadecimal, text as it is, enumerators that have a function `name` by that), `{x}` prints it hexadecimal. The number
// of places is checked when compiling. No state, no allocation: usable anywhere.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string_view>
#include <type_traits>

#include "base/address.hpp"

namespace bulkhead {

/// Takes the characters one by one.
class Sink {
  public:
    virtual void put(char character) = 0;

    void put_text(std::string_view text) {
        for (const char character : text) put(character);
    }
    void put_number(uint64_t value, unsigned base) {
        char digits[20];
        unsigned count = 0;
        do {
            digits[count++] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
        while (count != 0) put(digits[--count]);
    }

  protected:
    ~Sink() = default;
};

/// A value on its way into text: what stands before the number, or all of it, and the number.
struct FormatArgument {
    std::string_view text{};
    uint64_t value = 0;
    unsigned base = 0;  // of the number; 0: there is none

    constexpr FormatArgument(bool v) : text{v ? "yes" : "no"} {}
    constexpr FormatArgument(const char& v) : text{&v, 1} {}
    constexpr FormatArgument(std::string_view v) : text{v} {}
    constexpr FormatArgument(const char* v) : text{v} {}
    template <std::unsigned_integral T>
    constexpr FormatArgument(T v) : value{v}, base{10} {}
    template <std::signed_integral T>
    constexpr FormatArgument(T v)
        : text{v < 0 ? "-" : ""}, value{v < 0 ? -static_cast<uint64_t>(v) : static_cast<uint64_t>(v)}, base{10} {}
    template <typename T>
    requires std::is_enum_v<T>
    constexpr FormatArgument(T v) : FormatArgument{readable(v)} {}
    template <typename Space>
    constexpr FormatArgument(Address<Space> v) : text{"0x"}, value{v.value()}, base{16} {}
    FormatArgument(const void* v) : FormatArgument{PhysicalAddress{reinterpret_cast<uint64_t>(v)}} {}

    void put(Sink& sink, bool hexadecimal) const {
        sink.put_text(text);
        if (base == 0) return;
        if (hexadecimal && base == 10) sink.put_text("0x");
        sink.put_number(value, hexadecimal ? 16 : base);
    }

  private:
    template <typename T>
    static constexpr auto readable(T v) {
        if constexpr (requires { std::string_view{name(v)}; }) {
            return std::string_view{name(v)};
        } else {
            return static_cast<std::underlying_type_t<T>>(v);
        }
    }
};

/// Not constexpr: naming it while compiling is an error, and the error shows the name.
inline void format_has_not_as_many_places_as_arguments() {}

/// A format whose places are as many as the arguments.
template <typename... Arguments>
struct BasicFormat {
    std::string_view text;

    template <typename T>
    requires std::convertible_to<T, std::string_view>
    consteval BasicFormat(const T& format) : text{format} {
        size_t places = 0;
        for (const char character : text) places += character == '{';
        if (places != sizeof...(Arguments)) format_has_not_as_many_places_as_arguments();
    }
};
template <typename... Arguments>
using Format = BasicFormat<std::type_identity_t<Arguments>...>;

inline void format_arguments(Sink& sink, std::string_view format, std::initializer_list<FormatArgument> arguments) {
    const FormatArgument* next = arguments.begin();
    for (size_t i = 0; i < format.size(); ++i) {
        if (format[i] != '{') {
            sink.put(format[i]);
            continue;
        }
        const bool hexadecimal = i + 1 < format.size() && format[i + 1] == 'x';
        i += hexadecimal ? 2 : 1;  // to the closing brace
        if (next != arguments.end()) (next++)->put(sink, hexadecimal);
    }
}

}  // namespace bulkhead
