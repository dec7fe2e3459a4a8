// SPDX-License-Identifier: Apache-2.0
#include "tools/console/terminal.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace bulkhead::tool {

namespace {

// A signal handler can reach nothing but globals.
termios saved_settings;
volatile sig_atomic_t settings_saved = 0;

constexpr int kFatalSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV, SIGABRT, SIGBUS, SIGFPE};

void restore() {
    if (settings_saved != 0) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_settings);
    settings_saved = 0;
}

void restore_and_die(int signal) {
    restore();
    ::signal(signal, SIG_DFL);
    ::raise(signal);
}

}  // namespace

RawTerminal::RawTerminal() {
    if (::isatty(STDIN_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &saved_settings) != 0) return;
    settings_saved = 1;
    active_ = true;
    for (const int signal : kFatalSignals) ::signal(signal, restore_and_die);
    termios raw = saved_settings;
    ::cfmakeraw(&raw);
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

RawTerminal::~RawTerminal() {
    if (!active_) return;
    restore();
    for (const int signal : kFatalSignals) ::signal(signal, SIG_DFL);
}

std::optional<TerminalDescription> describe_terminal() {
    winsize size{};
    if (::isatty(STDIN_FILENO) == 0 || ::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) return std::nullopt;
    if (size.ws_row == 0 || size.ws_col == 0) return std::nullopt;
    const char* type = ::getenv("TERM");
    return TerminalDescription{size.ws_row, size.ws_col, type != nullptr && *type != 0 ? type : "vt100"};
}

EscapeCommand EscapeFilter::feed(std::string_view bytes, std::string& typed) {
    constexpr char kEscape = '\x1d';
    auto command = EscapeCommand::None;
    for (const char byte : bytes) {
        if (!escaped_) {
            if (byte == kEscape) escaped_ = true;
            else typed += byte;
            continue;
        }
        escaped_ = false;
        switch (byte) {
            case 'q': command = EscapeCommand::Quit; break;
            case 'n': command = EscapeCommand::NextConsole; break;
            case 'l': command = EscapeCommand::ToggleLog; break;
            case kEscape: typed += byte; break;
            default: command = EscapeCommand::Help; break;
        }
    }
    return command;
}

}  // namespace bulkhead::tool
