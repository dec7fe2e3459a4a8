// SPDX-License-Identifier: Apache-2.0
#include "kernel/debug/log.hpp"

#include "kernel/arch/x86_64/spin_lock.hpp"
#include "kernel/platform/debug_uart.hpp"

namespace bulkhead::kernel {
namespace {

class LogRing {
  public:
    static constexpr size_t size_bytes = 64 * 1024;

    uint64_t written() const { return written_; }
    void put(char character) { bytes_[written_++ % size_bytes] = character; }
    size_t read(uint64_t& position, std::span<char> destination) const {
        const uint64_t oldest = written_ > size_bytes ? written_ - size_bytes : 0;
        if (position < oldest) position = oldest;
        if (position > written_) position = written_;
        size_t count = 0;
        while (count < destination.size() && position < written_) destination[count++] = bytes_[position++ % size_bytes];
        return count;
    }

  private:
    uint64_t written_ = 0;
    char bytes_[size_bytes]{};
};

class RingAndUart final : public Sink {
  public:
    explicit RingAndUart(LogRing& ring) : ring_{ring} {}
    void put(char character) override {
        ring_.put(character);
        DebugUart::write(character);
    }

  private:
    LogRing& ring_;
};

constinit SpinLocked<LogRing> ring;

void write_line(LogRing& destination, std::string_view format, std::initializer_list<FormatArgument> arguments) {
    RingAndUart to{destination};
    format_arguments(to, format, arguments);
    to.put('\n');
}

}  // namespace

void log_line(bool locked, std::string_view format, std::initializer_list<FormatArgument> arguments) {
    if (!locked) return write_line(ring.unlocked(), format, arguments);
    const auto guard = ring.lock();
    write_line(*guard, format, arguments);
}

void log_text(std::string_view text) {
    const auto guard = ring.lock();
    RingAndUart{*guard}.put_text(text);
}

uint64_t log_switch_uart(bool on) {
    const auto guard = ring.lock();
    DebugUart::set_enabled(on);
    return guard->written();
}

size_t log_read(uint64_t& position, std::span<char> destination) {
    const auto guard = ring.lock();
    return guard->read(position, destination);
}

}  // namespace bulkhead::kernel
