// SPDX-License-Identifier: Apache-2.0
// The driver's two sides: the main thread waits for the interrupt or for bytes to send and serves the device; the
// handlers take calls of the client and touch only the rings between (protocol/char_channel.hpp).
#include "protocol/char_channel.hpp"
#include "protocol/control_client.hpp"
#include "runtime/log.hpp"
#include "runtime/program.hpp"
#include "runtime/service.hpp"
#include "runtime/time.hpp"
#include "servers/driver/uart/uart.hpp"

namespace bulkhead::uart {
namespace {

constexpr uint16_t base_port = 0x3f8;
constexpr uint64_t interrupt_bit = 1 << 0;  ///< the manifest's first interrupt
constexpr uint64_t work_bit = uint64_t{1} << 32;
constexpr uint64_t stopping_bit = uint64_t{1} << 33;  ///< the machine is about to halt

/// The registers behind port instructions. The domain holds exactly these ports: any other one would fault.
struct PortInstructions {
    static uint8_t read(uint8_t offset) {
        uint8_t value = 0;
        asm volatile("inb %1, %0" : "=a"(value) : "Nd"(static_cast<uint16_t>(base_port + offset)));
        return value;
    }
    static void write(uint8_t offset, uint8_t value) {
        asm volatile("outb %0, %1" : : "a"(value), "Nd"(static_cast<uint16_t>(base_port + offset)));
    }
};

protocol::CharRings rings;
constinit protocol::CharChannel channel;

void handle(uint64_t /*badge*/, runtime::Request& request) {
    const protocol::CharResult result = channel.handle(request, runtime::message_buffer());
    if (result == protocol::CharResult::Ok) return;
    request.words = {};
    request.reply(protocol::char_label(result));
}

abi::Selector capability(const protocol::StartupInformation& startup, std::string_view name) {
    const auto* entry = startup.find(name);
    if (entry == nullptr) runtime::log("the manifest gives no '{}'", name);
    return entry != nullptr ? entry->first : abi::null_selector;
}

[[noreturn]] void run(Uart<PortInstructions>& uart, runtime::Notification notification, runtime::Interrupt interrupt) {
    bool stopping = false;
    for (;;) {
        char input[256];
        size_t received = 0;
        const bool quiet = uart.serve(
            [&](char byte) {
                if (received < sizeof(input)) input[received++] = byte;
            },
            [&](char& byte) {
                return channel.take({&byte, 1}) == 1;
            });
        if (received != 0) channel.give({input, received});
        static_cast<void>(interrupt.acknowledge());
        // Not quiet: the device goes on, but others on this CPU and the client's signals get their turn first.
        if (!quiet) static_cast<void>(notification.signal(work_bit));
        uint64_t deadline = abi::no_deadline;
        if (stopping && channel.rings().output.empty()) {
            // The last bytes are in the device; it tells of an empty FIFO, not of an empty shift register.
            if (uart.idle()) protocol::Supervisor::stopped();
            deadline = runtime::deadline_in(uart.idle() ? runtime::ns_per_second : 100 * runtime::ns_per_us);
        }
        const uint64_t bits = notification.wait(interrupt_bit | work_bit | stopping_bit, deadline).value_or(0);
        stopping = stopping || (bits & stopping_bit) != 0;
    }
}

}  // namespace
}  // namespace bulkhead::uart

int bulkhead::program_main(const protocol::StartupInformation& startup) {
    using namespace uart;
    const runtime::Notification notification{capability(startup, protocol::CapabilityName::interrupts)};
    const runtime::Interrupt interrupt{capability(startup, "interrupt")};
    if (!notification || !interrupt) return 1;

    Uart device{PortInstructions{}};
    if (!device.present()) {
        runtime::log("there is no UART at port 3f8");
        return 1;
    }
    channel.initialize(rings, notification, work_bit);
    auto service =
        runtime::Service::create({.name = "uart", .entry = runtime::message_handler<handle>, .receive_slots = 1});
    if (!service.ok()) {
        runtime::log("cannot start the service: {}", service.error());
        return 1;
    }
    device.start();
    if (!protocol::Supervisor::watch(notification, 0, stopping_bit) ||
        !protocol::Supervisor::offer("uart", service.value())) {
        runtime::log("the supervisor does not take the service 'uart'");
        return 1;
    }
    run(device, notification, interrupt);
}
