// SPDX-License-Identifier: Apache-2.0
// A line of text put together without allocation; what does not fit is cut.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bulkhead::vmm {

class Line {
  public:
    Line& text(std::string_view piece) {
        for (char character : piece) put(character);
        return *this;
    }
    Line& hex(uint64_t value) {
        text("0x");
        bool started = false;
        for (int shift = 60; shift >= 0; shift -= 4) {
            const unsigned digit = (value >> shift) & 0xf;
            started = started || digit != 0 || shift == 0;
            if (started) put("0123456789abcdef"[digit]);
        }
        return *this;
    }
    Line& decimal(uint64_t value) {
        std::array<char, 20> digits{};
        std::size_t count = 0;
        do {
            digits[count++] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        while (count > 0) put(digits[--count]);
        return *this;
    }
    std::string_view view() const { return {buffer_.data(), size_}; }

  private:
    void put(char character) {
        if (size_ < buffer_.size()) buffer_[size_++] = character;
    }

    std::array<char, 240> buffer_{};
    std::size_t size_ = 0;
};

}  // namespace bulkhead::vmm
