// SPDX-License-Identifier: Apache-2.0
// The kernel's log: a ring of the last 64 KiB, which the console server reads, and COM1 while the kernel owns it.
// `log` writes one line under the log's lock, from any CPU; the panic screen uses `log_unlocked`.
#pragma once

#include <span>

#include "base/format.hpp"

namespace bulkhead::kernel {

/// Writes one line; `locked` is false for code that must not wait.
void log_line(bool locked, std::string_view format, std::initializer_list<FormatArgument> arguments);

/// Writes one line; the newline is added.
template <typename... Arguments>
void log(Format<Arguments...> format, const Arguments&... arguments) {
    log_line(true, format.text, {FormatArgument{arguments}...});
}
/// The same without the lock: for panic and NMI.
template <typename... Arguments>
void log_unlocked(Format<Arguments...> format, const Arguments&... arguments) {
    log_line(false, format.text, {FormatArgument{arguments}...});
}

/// Appends text as it is: what a program writes to the log.
void log_text(std::string_view text);

/// Whether the log goes to the debug UART too, from byte number (counted from boot) on that is returned.
uint64_t log_switch_uart(bool on);

/// Copies what was logged from byte number `position` (counted from boot) on, and moves `position` behind it. Bytes
/// the ring has lost are skipped. Returns how many were copied.
size_t log_read(uint64_t& position, std::span<char> destination);

}  // namespace bulkhead::kernel
