// SPDX-License-Identifier: Apache-2.0
// The real-time clock of a PC at ports 70/71, as much of an MC146818 as an operating system needs to read the time
// once: a guest without one polls "update in progress" tens of thousands of times. It tells the time, in binary or
// BCD, 24 or 12 hours; "update in progress" is never set; alarms and periodic interrupts do not exist.
#pragma once

#include <array>
#include <cstdint>

#include "hw/x86/real_time_clock.hpp"
#include "vmm/device/seams.hpp"

namespace bulkhead::vmm {

struct RtcState {
    uint8_t index;
    uint8_t format;  ///< the bits of register B that decide the format
    uint16_t reserved;
    int64_t offset_s;                 ///< what the guest's clock is ahead of ours
    std::array<uint8_t, 128> memory;  ///< registers without function
};

class Rtc final : public PortDevice {
  public:
    static constexpr uint16_t first_port = x86::rtc::index_port;
    static constexpr uint16_t port_count = x86::rtc::port_count;

    Rtc(RtcState& state, JournalSlot& slot, TimeSource& time) : state_{state, slot}, time_{time} {}
    /// For a machine that starts.
    void reset();

    uint32_t read_port(uint16_t offset, unsigned size_bytes) override;
    void write_port(uint16_t offset, unsigned size_bytes, uint32_t value) override;

  private:
    uint8_t read_register(uint8_t index) const;

    Stored<RtcState> state_;
    TimeSource& time_;
};

}  // namespace bulkhead::vmm
