// SPDX-License-Identifier: Apache-2.0
// The formatter (base/format.hpp) into arrays of characters. Names for the numbers of the ABI come with it.
#pragma once

#include "abi/names.hpp"
#include "base/format.hpp"

namespace bulkhead::runtime {

/// Text of bounded length under construction; what does not fit is dropped.
class TextSink final : public Sink {
  public:
    constexpr TextSink(char* buffer, size_t capacity) : buffer_{buffer}, capacity_{capacity} {}

    void put(char character) override {
        if (size_ < capacity_) buffer_[size_++] = character;
    }
    constexpr std::string_view text() const { return {buffer_, size_}; }

  private:
    char* buffer_;
    size_t capacity_;
    size_t size_ = 0;
};

template <typename... Arguments>
void format_to(TextSink& sink, Format<Arguments...> format, const Arguments&... arguments) {
    format_arguments(sink, format.text, {FormatArgument{arguments}...});
}

/// Formats into an array; returns the text in it (not NUL-terminated).
template <size_t Capacity, typename... Arguments>
std::string_view format_into(char (&buffer)[Capacity], Format<Arguments...> format, const Arguments&... arguments) {
    TextSink sink{buffer, Capacity};
    format_to(sink, format, arguments...);
    return sink.text();
}

}  // namespace bulkhead::runtime
