// SPDX-License-Identifier: Apache-2.0
#include "tools/console/session.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "tools/console/terminal.hpp"

namespace bulkhead::tool {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// How long the emulator gets to end by itself after the system said it halted.
constexpr milliseconds kEndGrace{3000};
/// How long a panic may go on printing.
constexpr milliseconds kPanicGrace{3000};

void print(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (count <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
}

/// Pumps a machine until it ends, halts, panics, or `done` says so. Returns false at the time limit.
template <typename Done>
bool pump(Machine& machine, FrameDemux& demux, RunLog& log, Clock::time_point limit, Done done) {
    std::optional<Clock::time_point> grace;
    while (!done()) {
        auto until = limit;
        if (grace) until = std::min(until, *grace);
        const auto now = Clock::now();
        if (now >= until) return grace.has_value();
        std::string bytes;
        const auto wait = std::min(std::chrono::duration_cast<milliseconds>(until - now), milliseconds(250));
        const auto received = machine.receive(bytes, wait);
        demux.feed(bytes);
        if (received == Received::Ended) break;
        if (!grace && log.halt_status()) grace = Clock::now() + kEndGrace;
        if (!grace && log.panicked()) grace = Clock::now() + kPanicGrace;
    }
    return true;
}

/// The sentence for a run that ended without doing what it should.
std::string describe_end(const Machine& machine, const RunLog& log, bool in_time, seconds limit) {
    std::string text;
    if (log.panicked()) text = "the kernel panicked";
    else if (!in_time) text = fmt::format("nothing ended it within {} s (--timeout gives it more)", limit.count());
    else if (log.halt_status()) text = fmt::format("the system halted early with status {}", *log.halt_status());
    else text = "the machine stopped without a word (a triple fault, or the emulator gave up)";
    if (const auto tail = log.tail(); !tail.empty()) text += "\n--- end of the log\n" + tail + "---";
    const auto messages = machine.emulator_messages();
    if (!log.halt_status() && in_time && !log.panicked() && !messages.empty()) {
        text += "\n--- what the emulator said\n" + messages.substr(messages.size() - std::min<std::size_t>(messages.size(), 2000)) + "---";
    }
    return text;
}

}  // namespace

SessionResult plain_session(Machine& machine, RunLog& log, seconds limit,
                            const std::function<void(std::string_view)>& watch) {
    FrameDemux demux(
        [&](std::string_view text) {
            log.kernel_text(text);
            if (watch) watch(text);
        },
        [&](unsigned channel, std::string_view payload) {
            log.channel(channel, payload);
            if (channel == 0 && watch) watch(payload);
        });
    const bool in_time = pump(machine, demux, log, Clock::now() + limit, [] { return false; });
    demux.finish();
    machine.stop();
    log.finish();
    if (log.halt_status() && !log.panicked()) return {*log.halt_status()};
    return {kRunFailed, describe_end(machine, log, in_time, limit)};
}

SessionResult exec_session(Machine& machine, RunLog& log, const std::string& token, seconds limit,
                           const ExecOutput::Sink& output) {
    ExecOutput exec(token, output);
    FrameDemux demux([&](std::string_view text) { log.kernel_text(text); },
                     [&](unsigned channel, std::string_view payload) {
                         log.channel(channel, payload);
                         if (channel == 1) exec.feed(payload);
                     });
    const bool in_time =
        pump(machine, demux, log, Clock::now() + limit, [&] { return exec.status().has_value(); });
    if (exec.status()) {
        // The guest powers off now; the log should show how the system takes it.
        pump(machine, demux, log, Clock::now() + kEndGrace, [] { return false; });
    }
    demux.finish();
    machine.stop();
    log.finish();
    if (exec.status()) return {*exec.status()};
    std::string text = exec.started() ? "the command did not end: " : "the guest did not reach the command: ";
    text += describe_end(machine, log, in_time, limit);
    if (const auto words = log.guest_tail(1); !words.empty()) text += "\n--- what the guest printed last\n" + words + "---";
    return {kRunFailed, text};
}

namespace {

constexpr std::string_view kKeys =
    "Ctrl-] and then: q leaves, n next console, l system log, Ctrl-] types one";

/// Until the guest prints, a line that shows how far the system's start is: the latest line of its log, in place.
class StartProgress {
  public:
    explicit StartProgress(bool on_terminal) : showing_(on_terminal) {}

    void line(std::string_view text) {
        if (!showing_) return;
        std::string shown(text.substr(0, kWidth));
        for (char& byte : shown) {
            if (static_cast<unsigned char>(byte) < 0x20) byte = ' ';
        }
        print("\r\033[K" + shown);
        drawn_ = true;
    }
    /// Something else is printed from now on.
    void end() {
        if (drawn_) print("\r\033[K");
        showing_ = drawn_ = false;
    }

  private:
    static constexpr std::size_t kWidth = 78;
    bool showing_;
    bool drawn_ = false;
};

}  // namespace

SessionResult interactive_session(Machine& machine, RunLog& log) {
    const RawTerminal terminal;
    StartProgress progress(terminal.active());
    progress.line("starting the machine");
    const std::string newline = terminal.active() ? "\r\n" : "\n";
    unsigned shown = 1;
    bool show_log = false;
    const auto say = [&](std::string_view text) {
        progress.end();
        print(fmt::format("{0}[bulkhead] {1}{0}", newline, text));
    };
    // Log lines end in LF alone, which a raw terminal takes literally.
    LineSplitter log_lines([&](std::string_view line) {
        if (show_log) print(fmt::format("{}{}", line, newline));
        else progress.line(line);
    });
    FrameDemux demux(
        [&](std::string_view text) {
            log.kernel_text(text);
            log_lines.feed(text);
        },
        [&](unsigned channel, std::string_view payload) {
            log.channel(channel, payload);
            if (channel == 0) log_lines.feed(payload);
            if (channel != shown) return;
            progress.end();
            print(payload);
        });
    EscapeFilter escape;
    bool input_open = true;
    std::optional<Clock::time_point> end;
    bool left = false;
    while (!left && (!end || Clock::now() < *end)) {
        pollfd ready[2] = {{machine.serial_descriptor(), POLLIN, 0}, {input_open ? STDIN_FILENO : -1, POLLIN, 0}};
        if (::poll(ready, 2, 250) < 0) continue;
        if (ready[0].revents != 0) {
            std::string bytes;
            if (machine.receive(bytes, milliseconds(0)) == Received::Ended) break;
            demux.feed(bytes);
        }
        if (ready[1].revents != 0) {
            char buffer[1024];
            const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
            input_open = count > 0;
            std::string typed;
            switch (escape.feed(std::string_view(buffer, count > 0 ? static_cast<std::size_t>(count) : 0), typed)) {
                case EscapeCommand::None: break;
                case EscapeCommand::Quit: left = true; break;
                case EscapeCommand::Help: say(kKeys); break;
                case EscapeCommand::ToggleLog:
                    show_log = !show_log;
                    say(show_log ? "system log on" : "system log off");
                    break;
                case EscapeCommand::NextConsole: {
                    const auto& names = log.channel_names();
                    const auto next = names.upper_bound(shown);
                    if (!names.empty()) shown = next != names.end() ? next->first : names.begin()->first;
                    say(fmt::format("console {} ({})", shown, names.contains(shown) ? names.at(shown) : "unnamed"));
                    break;
                }
            }
            machine.send(encode_frames(shown, typed));
        }
        if (!end && log.halt_status()) end = Clock::now() + kEndGrace;
        if (!end && log.panicked()) end = Clock::now() + kPanicGrace;
    }
    demux.finish();
    machine.stop();
    log.finish();
    if (left) say("left; the machine is stopped");
    else if (log.halt_status()) say(fmt::format("the system has halted with status {}", *log.halt_status()));
    progress.end();
    if (left) return {0};
    if (log.halt_status() && !log.panicked()) return {*log.halt_status()};
    return {kRunFailed, describe_end(machine, log, true, seconds(0))};
}

}  // namespace bulkhead::tool
