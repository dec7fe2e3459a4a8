// SPDX-License-Identifier: Apache-2.0
// The program's log: whole lines, to the supervisor's log portal where the program has one, else to the kernel's log
// where it holds the machine capability, else nowhere. Lines of one program are not mixed. Any thread, handlers too.
#pragma once

#include <string_view>

#include "runtime/format.hpp"

namespace bulkhead::runtime {

inline constexpr size_t log_line_capacity = 240;

/// Where lines go: gets one line without its newline, and keeps the message buffer's content.
using LogOutput = void (*)(std::string_view line);

/// Replaces the output, e.g. once a console is connected.
void set_log_output(LogOutput output);

/// Writes one line. Longer ones are cut.
void log_line(std::string_view line);

/// Writes text to the kernel's log as it is, if the program holds the machine capability.
void write_kernel_log(std::string_view text);

template <typename... Arguments>
void log(Format<Arguments...> format, const Arguments&... arguments) {
    char line[log_line_capacity];
    log_line(format_into(line, Format<Arguments...>{format}, arguments...));
}

}  // namespace bulkhead::runtime
