// SPDX-License-Identifier: Apache-2.0
// Text (or any bytes) in a message: up to 56 bytes travel in registers, more in the words of the message buffer.
// Shared by all protocols that carry bytes.
//
//   label: bits 0..7 operation or result, bits 16..31 number of bytes
//   registers: words 0 and 1 are the protocol's; words 2..8 the bytes, if they fit; else buffer words, from the first
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "abi/message.hpp"

namespace bulkhead::protocol {

struct TextLabel {
    using Operation = BitField<0, 8, uint8_t>;
    using SizeBytes = BitField<16, 16, uint16_t>;
};

inline constexpr size_t text_first_register_word = 2;
inline constexpr size_t max_register_text = (abi::register_words - text_first_register_word) * 8;
inline constexpr size_t max_text = abi::max_buffer_words * 8;

using MessageWords = std::array<uint64_t, abi::register_words>;

/// Number of message buffer words that text of this size occupies.
constexpr uint16_t text_buffer_words(size_t size_bytes) {
    return size_bytes <= max_register_text ? 0 : static_cast<uint16_t>((size_bytes + 7) / 8);
}

/// Puts text (at most max_text bytes) where it travels. `words`: the message's register words.
inline void put_text(std::string_view text, MessageWords& words, abi::MessageBuffer& buffer) {
    if (text.size() <= max_register_text) {
        std::memcpy(&words[text_first_register_word], text.data(), text.size());
    } else {
        std::memcpy(buffer.words, text.data(), text.size());
    }
}

/// The text of a message that says it has `size_bytes`; empty if what arrived cannot hold it. Points into `words` or
/// `buffer`: valid until the thread's next message.
inline std::string_view get_text(size_t size_bytes, const MessageWords& words, const abi::MessageBuffer& buffer,
                                 size_t buffer_words_received) {
    if (size_bytes <= max_register_text) {
        return {reinterpret_cast<const char*>(&words[text_first_register_word]), size_bytes};
    }
    if (size_bytes > max_text || text_buffer_words(size_bytes) > buffer_words_received) return {};
    return {reinterpret_cast<const char*>(buffer.words), size_bytes};
}

/// A short name in three words, zero-padded.
inline constexpr size_t name_words = 3;
inline void put_name(std::string_view name, uint64_t* words) {
    char text[name_words * 8] = {};
    std::memcpy(text, name.data(), name.size() < sizeof(text) ? name.size() : sizeof(text) - 1);
    std::memcpy(words, text, sizeof(text));
}
/// `words` must hold name_words words; the result points into them.
inline std::string_view get_name(const uint64_t* words) {
    const char* text = reinterpret_cast<const char*>(words);
    size_t size = 0;
    while (size < name_words * 8 && text[size] != 0) ++size;
    return {text, size};
}

}  // namespace bulkhead::protocol
