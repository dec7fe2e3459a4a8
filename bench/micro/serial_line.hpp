// SPDX-License-Identifier: Apache-2.0
// Lines from the host, on COM1, by polling. What goes the other way is the kernel's log: its lines are whole, and the
// kernel is the one that waits for the transmitter. One thread.
//
// The ports are held only while a line is read: a domain with ports has its calls on the kernel's general path, which
// would be in every figure.
#pragma once

#include <string_view>

#include "abi/status.hpp"
#include "runtime/object.hpp"

namespace bulkhead::bench {

inline constexpr uint16_t com1 = 0x3f8;

inline void out(uint16_t port, uint8_t value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
inline uint8_t in(uint16_t port) {
    uint8_t value = 0;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/// COM1's ports as long as it lives.
class Com1Ports {
  public:
    Com1Ports();
    Com1Ports(const Com1Ports&) = delete;
    Com1Ports& operator=(const Com1Ports&) = delete;
    ~Com1Ports() { static_cast<void>(ports_.destroy()); }
    abi::Status status() const { return status_; }

  private:
    runtime::Ports ports_;
    abi::Status status_ = abi::Status::Ok;
};

class SerialLine {
  public:
    /// The next line, without its end; valid until the next call. What is longer than the buffer is cut.
    abi::Result<std::string_view> read_line();

  private:
    char buffer_[200];
};

}  // namespace bulkhead::bench
