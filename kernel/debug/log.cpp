// SPDX-License-Identifier: Apache-2.0
#include "kernel/debug/log.hpp"

#include <algorithm>

#include "kernel/arch/x86_64/spin_lock.hpp"
#include "kernel/platform/debug_uart.hpp"

namespace bulkhead::kernel {

/// What is put into it goes to the UART too.
class LogRing final : public Sink {
  public:
    static constexpr size_t size_bytes = 64 * 1024;

    uint64_t written() const { return written_; }
    void put(char character) override {
        bytes_[written_++ % size_bytes] = character;
        DebugUart::write(character);
    }
    void put_line(std::string_view format, std::initializer_list<FormatArgument> arguments) {
        format_arguments(*this, format, arguments);
        put('\n');
    }
    size_t read(uint64_t& position, std::span<char> destination) const {
        const uint64_t oldest = written_ > size_bytes ? written_ - size_bytes : 0;
        position = std::clamp(position, oldest, written_);
        size_t count = 0;
        while (count < destination.size() && position < written_) destination[count++] = bytes_[position++ % size_bytes];
        return count;
    }

  private:
    uint64_t written_ = 0;
    char bytes_[size_bytes]{};
};

static constinit SpinLocked<LogRing> ring;

void log_line(bool locked, std::string_view format, std::initializer_list<FormatArgument> arguments) {
    if (!locked) return ring.unlocked().put_line(format, arguments);
    ring.lock()->put_line(format, arguments);
}

void log_text(std::string_view text) { ring.lock()->put_text(text); }

uint64_t log_switch_uart(bool on) {
    const auto guard = ring.lock();
    DebugUart::set_enabled(on);
    return guard->written();
}

size_t log_read(uint64_t& position, std::span<char> destination) { return ring.lock()->read(position, destination); }

}  // namespace bulkhead::kernel
