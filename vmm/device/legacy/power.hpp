// SPDX-License-Identifier: Apache-2.0
// What switches the machine off: the sleep registers of hardware-reduced ACPI (ACPI 6.4, 4.8.3.7), the event register
// behind the generic event device (power button), the reset ports CF9h and 92h, the POST port 80h, and, if the manifest
// wants it, a debug-exit port.
#pragma once

#include <cstdint>

#include "vmm/device/seams.hpp"

namespace bulkhead::vmm {

/// Places that the ACPI tables name.
struct PowerPorts {
    static constexpr uint16_t sleep_control = 0x600;
    static constexpr uint16_t sleep_status = 0x601;
    static constexpr uint16_t events = 0x604;  ///< 32 bits; read: pending, write: clears the bits that are set
    static constexpr uint16_t first = 0x600;
    static constexpr uint16_t count = 8;
    static constexpr uint16_t post = 0x80;
    static constexpr uint16_t fast_reset = 0x92;
    static constexpr uint16_t reset_control = 0xcf9;
    static constexpr uint16_t pci_mechanism = 0xcf8;  ///< CF8..CFF belong to PCI mechanism 1, which is not there
    static constexpr uint16_t pci_mechanism_count = 8;
    static constexpr uint16_t debug_exit = 0xf4;
    static constexpr uint8_t reset_value = 0x06;
    static constexpr uint8_t sleep_type_off = 5;
    static constexpr uint32_t power_button = 1 << 0;
};

struct PowerState {
    uint32_t events;
    uint8_t sleep_status;
    uint8_t reset_control;
    uint8_t ending;  ///< 0: no; else one more than the MachineEnd that was asked for first
    uint8_t post_code;
};

class Power {
  public:
    Power(PowerState& state, JournalSlot& slot, InterruptLines& lines, unsigned line, Outside& outside)
        : state_{state, slot}, lines_{lines}, line_{line}, outside_{outside} {}

    /// The power button: the guest's own business what it does then (machine lock held).
    void press_button();
    uint8_t post_code() const { return state_->post_code; }

    uint32_t read_sleep(uint16_t offset, unsigned size_bytes);
    void write_sleep(uint16_t offset, unsigned size_bytes, uint32_t value);
    uint8_t reset_control() const { return state_->reset_control; }
    void write_reset_control(uint8_t value);
    void write_fast_reset(uint8_t value);
    void write_post(uint8_t value) { state_.change().post_code = value; }
    void end(MachineEnd why, uint64_t detail = 0);

  private:
    Stored<PowerState> state_;
    InterruptLines& lines_;
    unsigned line_;
    Outside& outside_;
};

/// The sleep and event registers at PowerPorts::first.
class SleepPorts final : public PortDevice {
  public:
    explicit SleepPorts(Power& power) : power_{power} {}
    uint32_t read_port(uint16_t offset, unsigned size_bytes) override { return power_.read_sleep(offset, size_bytes); }
    void write_port(uint16_t offset, unsigned size_bytes, uint32_t value) override {
        power_.write_sleep(offset, size_bytes, value);
    }

  private:
    Power& power_;
};

/// Byte-wide ports that belong to Power, from `first_port` on.
class PowerPort final : public PortDevice {
  public:
    PowerPort(Power& power, uint16_t first_port) : power_{power}, first_port_{first_port} {}
    uint32_t read_port(uint16_t offset, unsigned size_bytes) override;
    void write_port(uint16_t offset, unsigned size_bytes, uint32_t value) override;

  private:
    Power& power_;
    uint16_t first_port_;
};

}  // namespace bulkhead::vmm
