// SPDX-License-Identifier: Apache-2.0
// Lines from the host, on COM1, by polling. What goes the other way is the kernel's log: its lines are whole, and the
// kernel is the one that waits for the transmitter.
//
// A domain of its own reads them, behind a portal: a domain that has ever had I/O ports makes all its calls on the
// kernel's general path, which would be in every figure.
#pragma once

#include <string_view>

#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {

inline constexpr uint16_t com1 = 0x3f8;

inline void out(uint16_t port, uint8_t value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
inline uint8_t in(uint16_t port) {
    uint8_t value = 0;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/// Lets a domain use COM1's ports, until what is returned is destroyed.
abi::Result<runtime::Ports> give_com1_ports(const test::Child& child);

class SerialLine {
  public:
    [[nodiscard]] abi::Result<void> open();
    /// The next line, without its end; valid until the next message of this thread is made. What is longer than 200
    /// characters is cut.
    abi::Result<std::string_view> read_line();

  private:
    test::Child reader_;
    runtime::Portal portal_;
};

}  // namespace bulkhead::bench
