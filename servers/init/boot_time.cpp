// SPDX-License-Identifier: Apache-2.0
#include "servers/init/boot_time.hpp"

#include "runtime/object.hpp"
#include "runtime/time.hpp"
#include "servers/init/machine_clock.hpp"
#include "servers/init/say.hpp"

namespace bulkhead::init {
namespace {

constexpr uint64_t start_of_2026_ns = seconds_since_1970({2026, 1, 1, 0, 0, 0, 0}) * runtime::ns_per_second;

struct PortInstructions {
    static uint8_t read(uint8_t index) {
        uint8_t value = 0;
        asm volatile("outb %1, %2\n\tinb %3, %0"
                     : "=a"(value)
                     : "a"(index), "N"(x86::rtc::index_port), "N"(x86::rtc::data_port));
        return value;
    }
};

std::optional<uint64_t> read_clock_s() {
    auto ports = runtime::Ports{abi::WellKnownSlot::Ports}.derive(x86::rtc::index_port, x86::rtc::port_count);
    if (!ports.ok()) return std::nullopt;
    std::optional<uint64_t> seconds;
    if (ports.value().map().ok()) {
        PortInstructions registers;
        seconds = MachineClock{registers}.seconds();
    }
    // Init keeps no device: a driver may own these ports.
    static_cast<void>(ports.value().destroy());
    return seconds;
}

}  // namespace

uint64_t read_boot_time_ns() {
    const auto seconds = read_clock_s();
    const uint64_t uptime_ns = runtime::now_ns();
    if (!seconds) {
        say("the machine has no clock that can be read: its time starts at the beginning of 2026");
        return start_of_2026_ns;
    }
    // The clock tells whole seconds; half of one is what it is behind on average.
    const uint64_t now_ns = *seconds * runtime::ns_per_second + runtime::ns_per_second / 2;
    return now_ns > uptime_ns ? now_ns - uptime_ns : 0;
}

}  // namespace bulkhead::init
