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

void write_line(LogRing& destination, std::string_view format, const FormatArgument* arguments, size_t count) {
    RingAndUart to{destination};
    format_arguments(to, format, arguments, count);
    to.put('\n');
}

}  // namespace

void log_line(std::string_view format, const FormatArgument* arguments, size_t count) {
    const auto guard = ring.lock();
    write_line(*guard, format, arguments, count);
}

void log_line_unlocked(std::string_view format, const FormatArgument* arguments, size_t count) {
    write_line(ring.unlocked(), format, arguments, count);
}

void log_text(std::string_view text) {
    const auto guard = ring.lock();
    RingAndUart to{*guard};
    for (const char character : text) to.put(character);
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
