// SPDX-License-Identifier: Apache-2.0
#include "kernel/debug/log.hpp"

#include <algorithm>

#include "kernel/arch/x86_64/spin_lock.hpp"
#include "kernel/platform/debug_uart.hpp"

namespace bulkhead::kernel {

namespace {

/// What is put into it goes to the UART too.
struct LogRing final : Sink {
    static constexpr size_t size_bytes = 64 * 1024;

    void put(char character) override {
        bytes[written++ % size_bytes] = character;
        DebugUart::write(character);
    }
    void put_line(std::string_view format, std::initializer_list<FormatArgument> arguments) {
        format_arguments(*this, format, arguments);
        put('\n');
    }

    uint64_t written = 0;
    char bytes[size_bytes]{};
};

constinit SpinLocked<LogRing> ring;

}  // namespace

void log_line(bool locked, std::string_view format, std::initializer_list<FormatArgument> arguments) {
    if (!locked) return ring.unlocked().put_line(format, arguments);
    ring.lock()->put_line(format, arguments);
}

void log_text(std::string_view text) { ring.lock()->put_text(text); }

uint64_t log_switch_uart(bool on) {
    const auto guard = ring.lock();
    DebugUart::set_enabled(on);
    return guard->written;
}

size_t log_read(uint64_t& position, std::span<char> destination) {
    const auto guard = ring.lock();
    const uint64_t oldest = guard->written > LogRing::size_bytes ? guard->written - LogRing::size_bytes : 0;
    position = std::clamp(position, oldest, guard->written);
    const size_t count = std::min<size_t>(destination.size(), guard->written - position);
    for (char& character : destination.first(count)) character = guard->bytes[position++ % LogRing::size_bytes];
    return count;
}

}  // namespace bulkhead::kernel
