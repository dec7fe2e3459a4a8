// SPDX-License-Identifier: Apache-2.0
// A type-safe formatter in little code: `{}` prints a value as suits its type (numbers decimal, addresses and pointers
// hexadecimal, text as it is), `{x}` prints it hexadecimal. The number of places is checked when compiling. No state,
// no allocation: usable anywhere, on the host too.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "base/address.hpp"

namespace bulkhead::kernel {

/// Takes the characters one by one.
class Sink {
  public:
    virtual void put(char character) = 0;

  protected:
    ~Sink() = default;
};

/// A value on its way into text.
struct FormatArgument {
    enum class Kind : uint8_t { Unsigned, Signed, Hexadecimal, Text };

    Kind kind;
    uint64_t value;
    std::string_view text;

    constexpr FormatArgument(bool v) : kind{Kind::Text}, value{0}, text{v ? "yes" : "no"} {}
    constexpr FormatArgument(char v) : kind{Kind::Unsigned}, value{static_cast<unsigned char>(v)} {}
    template <std::unsigned_integral T>
    constexpr FormatArgument(T v) : kind{Kind::Unsigned}, value{v} {}
    template <std::signed_integral T>
    constexpr FormatArgument(T v) : kind{Kind::Signed}, value{static_cast<uint64_t>(int64_t{v})} {}
    template <typename T>
    requires std::is_enum_v<T>
    constexpr FormatArgument(T v) : FormatArgument{static_cast<std::underlying_type_t<T>>(v)} {}
    template <typename Space>
    constexpr FormatArgument(Address<Space> v) : kind{Kind::Hexadecimal}, value{v.value()} {}
    constexpr FormatArgument(std::string_view v) : kind{Kind::Text}, value{0}, text{v} {}
    constexpr FormatArgument(const char* v) : FormatArgument{std::string_view{v}} {}
    FormatArgument(const void* v) : kind{Kind::Hexadecimal}, value{reinterpret_cast<uint64_t>(v)} {}
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

void format_arguments(Sink& sink, std::string_view format, const FormatArgument* arguments, size_t count);

template <typename... Arguments>
void format_to(Sink& sink, Format<Arguments...> format, const Arguments&... arguments) {
    const FormatArgument list[sizeof...(Arguments) + 1] = {FormatArgument{arguments}..., FormatArgument{0u}};
    format_arguments(sink, format.text, list, sizeof...(Arguments));
}

}  // namespace bulkhead::kernel
