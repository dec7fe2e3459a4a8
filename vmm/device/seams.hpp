// SPDX-License-Identifier: Apache-2.0
// What device models know of the world: interfaces that the monitor implements with system calls and unit tests with
// fakes. A model never knows its absolute address and never touches the host side directly.
#pragma once

#include <cstdint>
#include <string_view>

#include "vmm/exit/journal.hpp"

namespace bulkhead::vmm {

/// Why the machine stops; the numbers are those of protocol::VmEnd, which the monitor checks.
enum class MachineEnd : uint8_t { PowerOff = 0, Reset = 1, TripleFault = 2, Broken = 3, BadKernel = 4 };

/// Takes effects: while an exit is handled into its journal, to be performed after the commit.
class Outside {
  public:
    virtual void perform(const Effect& effect) = 0;

  protected:
    ~Outside() = default;
};

/// A device on I/O ports; `offset` counts from the first port it was given.
class PortDevice {
  public:
    virtual uint32_t read_port(uint16_t offset, unsigned size_bytes) = 0;
    virtual void write_port(uint16_t offset, unsigned size_bytes, uint32_t value) = 0;

  protected:
    ~PortDevice() = default;
};

/// A device in guest-physical memory; `offset` counts from its first address. An access never crosses its end.
class MmioDevice {
  public:
    virtual uint64_t read(uint64_t offset, unsigned size_bytes) = 0;
    virtual void write(uint64_t offset, unsigned size_bytes, uint64_t value) = 0;

  protected:
    ~MmioDevice() = default;
};

/// Interrupt lines, as of an IOAPIC.
class InterruptLines {
  public:
    virtual void set_line(unsigned line, bool asserted) = 0;

  protected:
    ~InterruptLines() = default;
};

/// A message-signalled interrupt as a device writes it.
class MessageInterrupts {
  public:
    virtual void send_message(uint64_t address, uint32_t data) = 0;

  protected:
    ~MessageInterrupts() = default;
};

/// Time. All guests' TSCs are host TSC plus an offset.
class TimeSource {
  public:
    virtual uint64_t tsc() = 0;
    virtual uint64_t tsc_hz() = 0;
    /// Nanoseconds since 1970-01-01 UTC.
    virtual uint64_t wall_clock_ns() = 0;

  protected:
    ~TimeSource() = default;
};

/// Lines for people.
class Log {
  public:
    virtual void line(std::string_view text) = 0;

  protected:
    ~Log() = default;
};

/// What a read from nowhere gives: all ones.
constexpr uint64_t all_ones(unsigned size_bytes) {
    return size_bytes >= 8 ? ~uint64_t{0} : (uint64_t{1} << (size_bytes * 8)) - 1;
}

}  // namespace bulkhead::vmm
