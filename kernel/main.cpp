// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "kernel/debug/log.hpp"
#include "kernel/platform/debug_uart.hpp"
#include "kernel/platform/halt.hpp"

namespace bulkhead {
[[noreturn]] void assertion_failed(const char* why, const char* file, unsigned line) {
    kernel::log_unlocked("{}:{}: {}", file, line, why);
    kernel::system_halt(2);
}
}

namespace bulkhead::kernel {

extern "C" [[noreturn]] void kernel_main(uint64_t boot_information) {
    DebugUart::initialize();
    log("bulkhead: boot information at {x}", boot_information);
    system_halt(0);
}

}  // namespace bulkhead::kernel
