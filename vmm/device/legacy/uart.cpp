// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/legacy/uart.hpp"

namespace bulkhead::vmm {
namespace {

enum RegisterIndex : unsigned { Data, InterruptEnable, Identification, LineControl, ModemControl, LineStatus, ModemStatus, Scratch };

namespace interrupt_enable {
constexpr uint8_t received = 1 << 0;
constexpr uint8_t transmitter_empty = 1 << 1;
constexpr uint8_t line_status = 1 << 2;
constexpr uint8_t modem_status = 1 << 3;
constexpr uint8_t all = 0x0f;
}  // namespace interrupt_enable

namespace identification {
constexpr uint8_t none = 0x01;
constexpr uint8_t modem_status = 0x00;
constexpr uint8_t transmitter_empty = 0x02;
constexpr uint8_t received = 0x04;
constexpr uint8_t line_status = 0x06;
constexpr uint8_t timeout = 0x0c;
constexpr uint8_t fifos_enabled = 0xc0;
}  // namespace identification

namespace fifo_control {
constexpr uint8_t enable = 1 << 0;
constexpr uint8_t clear_receive = 1 << 1;
constexpr uint8_t kept = 0xc9;
constexpr unsigned trigger_shift = 6;
}  // namespace fifo_control

namespace line_control {
constexpr uint8_t divisor_access = 1 << 7;
}

namespace modem_control {
constexpr uint8_t data_terminal_ready = 1 << 0;
constexpr uint8_t request_to_send = 1 << 1;
constexpr uint8_t out1 = 1 << 2;
constexpr uint8_t out2 = 1 << 3;  // gates the interrupt line on a PC
constexpr uint8_t loopback = 1 << 4;
constexpr uint8_t all = 0x1f;
}  // namespace modem_control

namespace line_status {
constexpr uint8_t data_ready = 1 << 0;
constexpr uint8_t overrun = 1 << 1;
constexpr uint8_t holding_empty = 1 << 5;
constexpr uint8_t transmitter_empty = 1 << 6;
}  // namespace line_status

namespace modem_status {
constexpr uint8_t clear_to_send = 1 << 4;
constexpr uint8_t data_set_ready = 1 << 5;
constexpr uint8_t ring = 1 << 6;
constexpr uint8_t carrier = 1 << 7;
constexpr uint8_t ring_delta = 1 << 2;
constexpr unsigned delta_shift = 4;
}  // namespace modem_status

constexpr std::size_t fifo_bytes = 16;

uint64_t load(const uint64_t& position) { return __atomic_load_n(&position, __ATOMIC_ACQUIRE); }

}  // namespace

bool Uart::divisor_access() const { return (state_->line_control & line_control::divisor_access) != 0; }
bool Uart::fifo_enabled() const { return (state_->fifo_control & fifo_control::enable) != 0; }
bool Uart::loopback() const { return (state_->modem_control & modem_control::loopback) != 0; }
bool Uart::room() const { return state_->sent - load(output_.drained) < UartOutput::capacity; }

std::size_t Uart::input_room() const {
    const uint64_t used = input_.received - load(state_->taken);
    return used >= UartInput::capacity ? 0 : UartInput::capacity - used;
}

/// Bytes the guest can read: of the loopback, or else of the input ring as far as the FIFO goes.
std::size_t Uart::readable() const {
    if (loopback()) return state_->loopback_count;
    const uint64_t waiting = load(input_.received) - state_->taken;
    const std::size_t limit = fifo_enabled() ? fifo_bytes : 1;
    return waiting < limit ? waiting : limit;
}

uint32_t Uart::read_port(uint16_t offset, unsigned size_bytes) {
    if (size_bytes != 1 || offset >= port_count) return static_cast<uint32_t>(all_ones(size_bytes));
    return read_register(offset);
}

void Uart::write_port(uint16_t offset, unsigned size_bytes, uint32_t value) {
    if (size_bytes != 1 || offset >= port_count) return;
    write_register(offset, static_cast<uint8_t>(value));
}

uint8_t Uart::read_register(unsigned index) {
    switch (index) {
        case Data: return divisor_access() ? state_->divisor_low : receive();
        case InterruptEnable: return divisor_access() ? state_->divisor_high : state_->interrupt_enable;
        case Identification: {
            const uint8_t pending = interrupt_identification();
            if (pending == identification::transmitter_empty) {
                state_.change().transmit_interrupt = 0;
                update_line();
            }
            return static_cast<uint8_t>(pending | (fifo_enabled() ? identification::fifos_enabled : 0));
        }
        case LineControl: return state_->line_control;
        case ModemControl: return state_->modem_control;
        case LineStatus: {
            const uint8_t status = line_status();
            if (state_->overrun != 0) {
                state_.change().overrun = 0;
                update_line();
            }
            return status;
        }
        case ModemStatus: {
            const uint8_t status = modem_status();
            if (state_->modem_deltas != 0) {
                state_.change().modem_deltas = 0;
                update_line();
            }
            return status;
        }
        default: return state_->scratch;
    }
}

void Uart::write_register(unsigned index, uint8_t value) {
    UartState& state = state_.change();
    switch (index) {
        case Data:
            if (divisor_access()) {
                state.divisor_low = value;
            } else {
                transmit(value);
            }
            break;
        case InterruptEnable:
            if (divisor_access()) {
                state.divisor_high = value;
                break;
            }
            // Enabling the interrupt while the transmitter is empty raises it (PC16550D, 8.6).
            if ((value & ~state.interrupt_enable & interrupt_enable::transmitter_empty) != 0 && room()) {
                state.transmit_interrupt = 1;
            }
            state.interrupt_enable = value & interrupt_enable::all;
            break;
        case Identification:
            if ((value & fifo_control::clear_receive) != 0) {
                state.loopback_count = 0;
                if (!loopback()) state.taken += readable();
            }
            state.fifo_control = (value & fifo_control::enable) != 0 ? value & fifo_control::kept : 0;
            break;
        case LineControl: state.line_control = value; break;
        case ModemControl: write_modem_control(value); break;
        case LineStatus:
        case ModemStatus: break;  // read only
        default: state.scratch = value; break;
    }
    update_line();
}

uint8_t Uart::receive() {
    if (readable() == 0) return 0;
    UartState& state = state_.change();
    uint8_t byte = 0;
    if (loopback()) {
        byte = state.loopback[0];
        --state.loopback_count;
        for (std::size_t index = 0; index < state.loopback_count && index + 1 < fifo_bytes; ++index) {
            state.loopback[index] = state.loopback[index + 1];
        }
    } else {
        byte = input_.bytes[state.taken % UartInput::capacity];
        ++state.taken;
        outside_.perform({.kind = Effect::Kind::ConsoleReady});
    }
    update_line();
    return byte;
}

void Uart::transmit(uint8_t byte) {
    UartState& state = state_.change();
    if (loopback()) {
        if (state.loopback_count < (fifo_enabled() ? fifo_bytes : 1)) {
            state.loopback[state.loopback_count++] = byte;
        } else {
            state.overrun = 1;
        }
        state.transmit_interrupt = 1;
        return;
    }
    const bool was_empty = state.sent == load(output_.drained);
    if (room()) {
        output_.bytes[state.sent % UartOutput::capacity] = byte;
        ++state.sent;
    } else {
        ++state.dropped;
    }
    // The byte leaves at once, unless the ring is full: then rings_changed() says that the transmitter is empty.
    state.transmit_interrupt = room() ? 1 : 0;
    state.starved = room() ? 0 : 1;
    // One who drains goes on until nothing is left, so the first byte wakes it; a full ring asks once more.
    if (was_empty || state.starved != 0) outside_.perform({.kind = Effect::Kind::ConsoleReady});
}

uint8_t Uart::interrupt_identification() const {
    const uint8_t enabled = state_->interrupt_enable;
    if ((enabled & interrupt_enable::line_status) != 0 && state_->overrun != 0) return identification::line_status;
    if ((enabled & interrupt_enable::received) != 0 && readable() > 0) {
        static constexpr std::array<uint8_t, 4> triggers = {1, 4, 8, 14};
        const uint8_t trigger = fifo_enabled() ? triggers[state_->fifo_control >> fifo_control::trigger_shift] : 1;
        // Below the trigger level the FIFO's time-out would come after four characters: it comes at once here.
        return readable() >= trigger ? identification::received : identification::timeout;
    }
    if ((enabled & interrupt_enable::transmitter_empty) != 0 && state_->transmit_interrupt != 0) {
        return identification::transmitter_empty;
    }
    if ((enabled & interrupt_enable::modem_status) != 0 && state_->modem_deltas != 0) return identification::modem_status;
    return identification::none;
}

uint8_t Uart::line_status() const {
    uint8_t status = 0;
    if (readable() > 0) status |= line_status::data_ready;
    if (state_->overrun != 0) status |= line_status::overrun;
    if (loopback() || room()) status |= line_status::holding_empty | line_status::transmitter_empty;
    return status;
}

uint8_t Uart::modem_status() const {
    uint8_t status = 0;
    if (loopback()) {
        const uint8_t control = state_->modem_control;
        if ((control & modem_control::request_to_send) != 0) status |= modem_status::clear_to_send;
        if ((control & modem_control::data_terminal_ready) != 0) status |= modem_status::data_set_ready;
        if ((control & modem_control::out1) != 0) status |= modem_status::ring;
        if ((control & modem_control::out2) != 0) status |= modem_status::carrier;
    } else {
        status = modem_status::clear_to_send | modem_status::data_set_ready | modem_status::carrier;
    }
    return status | state_->modem_deltas;
}

void Uart::write_modem_control(uint8_t value) {
    UartState& state = state_.change();
    const uint8_t before = modem_status();
    state.modem_control = value & modem_control::all;
    const uint8_t after = modem_status();
    uint8_t deltas = static_cast<uint8_t>((before ^ after) >> modem_status::delta_shift);
    // The ring indicator counts at its trailing edge only.
    if ((after & modem_status::ring) != 0) deltas &= static_cast<uint8_t>(~modem_status::ring_delta);
    state.modem_deltas |= deltas;
    if (!loopback()) state.loopback_count = 0;
}

void Uart::update_line() {
    const bool enabled = (state_->modem_control & modem_control::out2) != 0 && !loopback();
    const bool asserted = enabled && interrupt_identification() != identification::none;
    if (asserted == (state_->line_asserted != 0)) return;
    state_.change().line_asserted = asserted ? 1 : 0;
    lines_.set_line(line_, asserted);
}

void Uart::rings_changed() {
    if (state_->starved != 0 && room()) {
        UartState& state = state_.change();
        state.starved = 0;
        state.transmit_interrupt = 1;
    }
    update_line();
}

}  // namespace bulkhead::vmm
