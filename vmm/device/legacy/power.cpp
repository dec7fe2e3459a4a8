// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/legacy/power.hpp"

#include "base/bit_field.hpp"

namespace bulkhead::vmm {
namespace {

struct SleepControl {
    using Type = BitField<2, 3, uint8_t>;
    using Enable = Bit<5>;
};
constexpr uint8_t wake_status = 1 << 7;
constexpr uint8_t reset_cpu = 1 << 2;   // of CF9h; a rising edge resets
constexpr uint8_t fast_reset = 1 << 0;  // of 92h
constexpr uint8_t fast_a20 = 1 << 1;    // of 92h: the A20 gate is always open

}  // namespace

uint32_t Power::read_sleep(uint16_t offset, unsigned size_bytes) {
    const uint16_t port = static_cast<uint16_t>(PowerPorts::first + offset);
    if (port == PowerPorts::events && size_bytes == 4) return state_->events;
    if (port == PowerPorts::sleep_status && size_bytes == 1) return state_->sleep_status;
    return 0;
}

void Power::write_sleep(uint16_t offset, unsigned size_bytes, uint32_t value) {
    const uint16_t port = static_cast<uint16_t>(PowerPorts::first + offset);
    if (port == PowerPorts::events && size_bytes == 4) {
        state_.change().events &= ~value;
        if (state_->events == 0) lines_.set_line(line_, false);
        return;
    }
    if (size_bytes != 1) return;
    if (port == PowerPorts::sleep_status) state_.change().sleep_status &= static_cast<uint8_t>(~(value & wake_status));
    if (port == PowerPorts::sleep_control && SleepControl::Enable::read(value) &&
        SleepControl::Type::read(value) == PowerPorts::sleep_type_off) {
        end(MachineEnd::PowerOff);
    }
}

void Power::press_button() {
    state_.change().events |= PowerPorts::power_button;
    lines_.set_line(line_, true);
}

void Power::write_reset_control(uint8_t value) {
    const bool rises = (value & reset_cpu) != 0 && (state_->reset_control & reset_cpu) == 0;
    state_.change().reset_control = value;
    if (rises) end(MachineEnd::Reset);
}

void Power::write_fast_reset(uint8_t value) {
    if ((value & fast_reset) != 0) end(MachineEnd::Reset);
}

void Power::end(MachineEnd why, uint64_t detail) {
    if (state_->ending == 0) state_.change().ending = static_cast<uint8_t>(static_cast<uint8_t>(why) + 1);
    outside_.perform({.kind = Effect::Kind::EndMachine, .vector = static_cast<uint8_t>(why), .value = detail});
}

uint32_t PowerPort::read_port(uint16_t offset, unsigned size_bytes) {
    if (size_bytes != 1) return static_cast<uint32_t>(all_ones(size_bytes));
    switch (first_port_ + offset) {
        case PowerPorts::reset_control: return power_.reset_control();
        case PowerPorts::fast_reset: return fast_a20;
        case PowerPorts::post: return power_.post_code();
        default: return 0xff;
    }
}

void PowerPort::write_port(uint16_t offset, unsigned size_bytes, uint32_t value) {
    const uint8_t byte = static_cast<uint8_t>(value);
    const unsigned port = first_port_ + unsigned{offset};
    if (port == PowerPorts::debug_exit) {
        power_.end(MachineEnd::PowerOff, value);
        return;
    }
    if (size_bytes != 1) return;
    switch (port) {
        case PowerPorts::reset_control: power_.write_reset_control(byte); break;
        case PowerPorts::fast_reset: power_.write_fast_reset(byte); break;
        case PowerPorts::post: power_.write_post(byte); break;
        default: break;
    }
}

}  // namespace bulkhead::vmm
