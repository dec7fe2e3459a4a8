// SPDX-License-Identifier: Apache-2.0
// Carries bytes between the UART's rings and the console service. Only the monitor's own thread; it holds the machine
// lock while it looks at the model, never while it calls the console.
//
// Bytes handed over are noted after the console took them: a monitor that dies in between prints a piece twice.
#pragma once

#include <array>

#include "protocol/char_client.hpp"
#include "vmm/control/kernel_seams.hpp"
#include "vmm/vm/machine.hpp"

namespace bulkhead::vmm {

class GuestConsole {
  public:
    GuestConsole(Machine& machine, MachineLock& lock) : machine_{machine}, lock_{lock} {}

    void connect(abi::Selector portals, std::string_view name, runtime::Notification wake) {
        connected_ = portals != abi::null_selector;
        if (connected_) client_.initialize(portals, name, wake, WakeBit::readable, WakeBit::writable);
    }
    /// The service was started again.
    void reconnect() {
        if (connected_) static_cast<void>(client_.open_and_subscribe());
    }

    /// Moves what can be moved, both ways.
    void move() {
        const bool sent = send();
        const bool received = receive();
        if (!sent && !received) return;
        MachineLockScope scope{lock_};
        machine_.service([&] { machine_.uart().rings_changed(); });
    }
    /// Whether output is left that the console has not taken.
    bool pending() {
        MachineLockScope scope{lock_};
        return machine_.uart_state().sent != machine_.uart_output().drained;
    }

  private:
    bool send() {
        UartOutput& output = machine_.uart_output();
        bool moved = false;
        for (;;) {
            std::array<char, 512> piece;
            uint64_t count = 0;
            {
                MachineLockScope scope{lock_};
                const uint64_t waiting = machine_.uart_state().sent - output.drained;
                count = waiting < piece.size() ? waiting : piece.size();
                for (uint64_t index = 0; index < count; ++index) {
                    piece[index] = static_cast<char>(output.bytes[(output.drained + index) % UartOutput::capacity]);
                }
            }
            if (count == 0) return moved;
            const uint64_t taken = connected_ ? client_.write({piece.data(), count}) : count;
            __atomic_store_n(&output.drained, output.drained + taken, __ATOMIC_RELEASE);
            moved = moved || taken != 0;
            if (taken < count) return moved;  // `writable` is signalled when there is room
        }
    }

    bool receive() {
        if (!connected_) return false;
        UartInput& input = machine_.uart_input();
        bool moved = false;
        for (;;) {
            std::array<char, 256> piece;
            std::size_t room = 0;
            {
                MachineLockScope scope{lock_};
                room = machine_.uart().input_room();
            }
            if (room == 0) return moved;  // the guest's next read says that there is room again
            const std::size_t count = client_.read(std::span{piece}.first(room < piece.size() ? room : piece.size()));
            if (count == 0) return moved;
            for (std::size_t index = 0; index < count; ++index) {
                input.bytes[(input.received + index) % UartInput::capacity] = static_cast<uint8_t>(piece[index]);
            }
            __atomic_store_n(&input.received, input.received + count, __ATOMIC_RELEASE);
            moved = true;
        }
    }

    Machine& machine_;
    MachineLock& lock_;
    protocol::CharClient client_;
    bool connected_ = false;
};

}  // namespace bulkhead::vmm
