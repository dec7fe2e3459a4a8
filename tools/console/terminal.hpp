// SPDX-License-Identifier: Apache-2.0
// The user's terminal in raw mode, restored on every way out.
#pragma once

#include <termios.h>

#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::tool {

/// Raw mode while it lives. Fatal signals restore the terminal before they end the tool.
class RawTerminal {
  public:
    RawTerminal();
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    /// Whether standard input is a terminal at all; otherwise this object does nothing.
    [[nodiscard]] bool active() const { return active_; }

  private:
    bool active_ = false;
};

/// The size of the user's terminal and what it calls itself; nothing if standard input is none.
struct TerminalDescription {
    unsigned rows = 0;
    unsigned columns = 0;
    std::string type = {};
};
[[nodiscard]] std::optional<TerminalDescription> describe_terminal();

/// What the user asked for with the escape key, Ctrl-].
enum class EscapeCommand { None, Quit, NextConsole, ToggleLog, Help };

/// Takes escape sequences out of typed bytes: Ctrl-] then q, n or l; Ctrl-] twice types one; anything else asks for help.
class EscapeFilter {
  public:
    /// Appends what goes to the guest to `typed`; returns the last command among the bytes.
    [[nodiscard]] EscapeCommand feed(std::string_view bytes, std::string& typed);

  private:
    bool escaped_ = false;
};

}  // namespace bulkhead::tool
