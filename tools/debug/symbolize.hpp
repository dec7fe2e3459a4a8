// SPDX-License-Identifier: Apache-2.0
// Names for the addresses in backtraces.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

/// One line of a backtrace: `#N 0xADDRESS` of the kernel or `#N NAME 0xADDRESS` of a component.
struct BacktraceLine {
    std::string component;  ///< empty for the kernel
    std::uint64_t address;
};

/// Recognises such a line anywhere in `line` (a log prefix may stand before it).
[[nodiscard]] std::optional<BacktraceLine> parse_backtrace_line(std::string_view line);

/// `text` with function, file and line behind every backtrace address in it.
[[nodiscard]] std::string symbolize_text(const Layout& layout, std::string_view text);

/// Prints the log with function, file and line behind every backtrace address. `file` may be "-".
int symbolize_log(const Layout& layout, const std::string& file);

}  // namespace bulkhead::tool
