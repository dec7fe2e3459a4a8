// SPDX-License-Identifier: Apache-2.0
#include "bench/micro/serial_line.hpp"

#include "abi/layout.hpp"
#include "runtime/object.hpp"

namespace bulkhead::bench {
namespace {

constexpr uint16_t line_status = com1 + 5;
constexpr uint8_t data_ready = 1;

char read_byte() {
    while ((in(line_status) & data_ready) == 0) asm volatile("pause");
    return static_cast<char>(in(com1));
}

}  // namespace

Com1Ports::Com1Ports() {
    const auto ports = runtime::Ports{abi::WellKnownSlot::Ports}.derive(com1, 8);
    if (!ports.ok()) {
        status_ = ports.error();
        return;
    }
    ports_ = ports.value();
    if (const auto mapped = ports_.map(); !mapped.ok()) status_ = mapped.error();
}

abi::Result<std::string_view> SerialLine::read_line() {
    const Com1Ports ports;
    if (ports.status() != abi::Status::Ok) return ports.status();
    size_t size = 0;
    for (;;) {
        const char byte = read_byte();
        if (byte == '\n') return std::string_view{buffer_, size};
        if (byte != '\r' && size < sizeof buffer_) buffer_[size++] = byte;
    }
}

}  // namespace bulkhead::bench
