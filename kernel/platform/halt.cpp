// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/halt.hpp"

#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/platform/debug_uart.hpp"

namespace bulkhead::kernel {

void end_run(unsigned status) {
    constexpr uint16_t qemu_exit_port = 0xf4;  // -device isa-debug-exit,iobase=0xf4
    constexpr uint16_t bochs_shutdown_port = 0x8900;
    DebugUart::set_enabled(true);
    log_unlocked("bulkhead: system halted (status {})", status);
    DebugUart::drain();
    port_write<uint8_t>(qemu_exit_port, static_cast<uint8_t>(status));
    for (const char character : std::string_view{"Shutdown"})
        port_write<uint8_t>(bochs_shutdown_port, static_cast<uint8_t>(character));
}

void system_halt(unsigned status) {
    end_run(status);
    halt_forever();
}

void refuse_machine(const char* sentence) {
    log_unlocked("bulkhead: {}", sentence);
    system_halt(1);
}

}  // namespace bulkhead::kernel
