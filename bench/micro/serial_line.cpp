// SPDX-License-Identifier: Apache-2.0
#include "bench/micro/serial_line.hpp"

#include "abi/layout.hpp"
#include "runtime/message.hpp"

namespace bulkhead::bench {
namespace {

constexpr uint16_t line_status = com1 + 5;
constexpr uint8_t data_ready = 1;
constexpr size_t line_capacity = 200;

char read_byte() {
    while ((in(line_status) & data_ready) == 0) asm volatile("pause");
    return static_cast<char>(in(com1));
}

/// In the reader's domain: a line into the reply's buffer, its size as the label.
void read_into_reply(uint64_t /*badge*/, runtime::Request& request) {
    uint32_t size = 0;
    for (;;) {
        const char byte = read_byte();
        if (byte == '\n') break;
        if (byte != '\r' && size < line_capacity) runtime::message_bytes()[size++] = byte;
    }
    request.reply(size).reply_buffer_words(runtime::words_for(size));
}

}  // namespace

abi::Result<runtime::Ports> give_com1_ports(const test::Child& child) {
    const auto ports = TRY(runtime::Ports{abi::WellKnownSlot::Ports}.derive(com1, 8));
    TRY(ports.map(child.domain.selector()));
    return ports;
}

abi::Result<void> SerialLine::open() {
    reader_ = TRY(test::Child::create());
    portal_ = TRY(reader_.create_portal(runtime::message_handler<read_into_reply>));
    TRY(give_com1_ports(reader_));
    return {};
}

abi::Result<std::string_view> SerialLine::read_line() {
    runtime::Message message{0};
    TRY(message.call(portal_.selector()));
    return std::string_view{runtime::message_bytes(), message.label()};
}

}  // namespace bulkhead::bench
