// SPDX-License-Identifier: Apache-2.0
// The console service. Handlers, on the monitors' time, move bytes between messages and the rings of their channel;
// the main thread moves bytes between the rings, the kernel's log and the UART driver.
#include <atomic>
#include <utility>

#include "protocol/char_channel.hpp"
#include "protocol/char_client.hpp"
#include "protocol/control_client.hpp"
#include "runtime/call.hpp"
#include "runtime/log.hpp"
#include "runtime/program.hpp"
#include "runtime/service.hpp"
#include "runtime/time.hpp"
#include "servers/console/multiplexer.hpp"

namespace bulkhead::console {
namespace {

constexpr unsigned channel_count = protocol::max_console_channels;
constexpr size_t log_read_bytes = 3968;

struct Wake {
    static constexpr uint64_t Channel = 1 << 0;    ///< a client wrote, or opened its channel
    static constexpr uint64_t Log = 1 << 1;        ///< the kernel's log has grown
    static constexpr uint64_t Readable = 1 << 2;   ///< input from the UART
    static constexpr uint64_t Writable = 1 << 3;   ///< the UART takes bytes again
    static constexpr uint64_t Connected = 1 << 4;  ///< there is a (new) UART driver
    static constexpr uint64_t Stopping = 1 << 5;   ///< the machine is about to halt
};

/// What outlives a restart: everything that was on its way.
struct ConsoleState {
    static constexpr uint64_t expected_magic = 0x454c4f534e4f4342;
    uint64_t magic;
    uint64_t log_position;  ///< of the kernel's log, up to which it was taken
    size_t line_size;       ///< bytes of `line` that were produced
    size_t line_sent;       ///< of them, those the UART driver has taken
    char line[protocol::max_text];
    MultiplexerState multiplexer;
    protocol::CharRings rings[channel_count];
};

/// A name under way from a handler to the main thread. Words, so that a client that opens again while it is read can
/// at worst garble its own name.
struct OfferedName {
    std::atomic<uint64_t> words[protocol::name_words];
    std::atomic<bool> fresh;
};

constinit protocol::CharChannel channels[channel_count];
constinit OfferedName names[channel_count];
constinit runtime::Notification wake;

protocol::CharResult open(unsigned channel, const runtime::Request& request) {
    for (size_t index = 0; index < protocol::name_words; ++index)
        names[channel].words[index].store(request.words[2 + index]);
    names[channel].fresh.store(true);
    static_cast<void>(wake.signal(Wake::Channel));
    return protocol::CharResult::Ok;
}

/// The badge is the channel: the supervisor gave it, so no client can reach another's.
void handle(uint64_t badge, runtime::Request& request) {
    using protocol::CharResult;
    const auto operation = static_cast<protocol::CharOperation>(protocol::TextLabel::Operation::read(request.label()));
    CharResult result = CharResult::BadMessage;
    if (badge >= 1 && badge < channel_count) {
        const auto channel = static_cast<unsigned>(badge);
        if (operation == protocol::CharOperation::Open) {
            result = open(channel, request);
        } else {
            result = channels[channel].handle(request, runtime::message_buffer());
            if (result == CharResult::Ok) return;
        }
    }
    request.words = {};
    request.reply(protocol::char_label(result));
}

class Ends final : public ChannelEnd {
  public:
    size_t take(unsigned channel, std::span<char> into) override { return channels[channel].take(into); }
    void give(unsigned channel, std::string_view input) override { channels[channel].give(input); }
    void halt() override { protocol::Supervisor::halt(0); }
};

class Console {
  public:
    Console(ConsoleState& state, Mode mode, abi::Selector uart_portals, bool first_start)
        : state_{state},
          multiplexer_{state.multiplexer, ends_, mode},
          uart_portals_{uart_portals},
          kernel_prints_all_{first_start} {}

    void start();
    [[noreturn]] void run();

  private:
    void connect();
    void take_names();
    void take_log();
    bool send();
    void receive();
    size_t read_log();

    ConsoleState& state_;
    Ends ends_;
    Multiplexer multiplexer_;
    abi::Selector uart_portals_;
    protocol::CharClient uart_;
    bool kernel_prints_all_;
    bool connected_ = false;
};

/// The next piece of the kernel's log, in the message buffer.
size_t Console::read_log() {
    const auto piece = runtime::invoke(abi::ReadLog{runtime::environment().machine, state_.log_position});
    if (!piece.ok()) return 0;
    state_.log_position = piece.value().position;
    return std::min<size_t>(piece.value().size, log_read_bytes);
}

void Console::start() {
    uart_.initialize(uart_portals_, {}, wake, Wake::Readable, Wake::Writable);
    connect();
}

/// From the moment a driver answers, the line is ours, and the kernel tells us of new text instead of printing it.
/// Until a driver answers for the first time, the kernel has printed everything; that need not be on the line twice.
/// Later the supervisor has it print between a driver's death and this, but nobody knows from where on.
void Console::connect() {
    if (!uart_.open_and_subscribe()) return;
    const bool all_printed = std::exchange(kernel_prints_all_, false);
    connected_ = true;
    const auto switched =
        runtime::invoke(abi::SetLogOutput{runtime::environment().machine, false, wake.selector(), Wake::Log});
    while (all_printed && switched.ok() && state_.log_position < switched.value().position) {
        const std::string_view text{runtime::message_bytes(), read_log()};
        if (text.empty()) break;
        const uint64_t start = state_.log_position - text.size();
        const uint64_t printed = switched.value().position > start ? switched.value().position - start : 0;
        multiplexer_.remember_log(text.substr(0, printed));
        if (printed < text.size()) multiplexer_.log(text.substr(printed));
    }
}

void Console::take_names() {
    for (unsigned channel = 1; channel < channel_count; ++channel) {
        if (!names[channel].fresh.exchange(false)) continue;
        uint64_t words[protocol::name_words];
        for (size_t index = 0; index < protocol::name_words; ++index) words[index] = names[channel].words[index].load();
        multiplexer_.name_channel(channel, protocol::get_name(words));
    }
}

void Console::take_log() {
    while (connected_ && multiplexer_.log_space() >= log_read_bytes + 256) {
        const size_t size = read_log();
        if (size == 0) return;
        multiplexer_.log({runtime::message_bytes(), size});
    }
}

/// Sends one piece; false when there is nothing to send, or nobody takes it now.
bool Console::send() {
    if (state_.line_sent >= state_.line_size || state_.line_size > sizeof(state_.line)) {
        state_.line_sent = 0;
        state_.line_size = multiplexer_.produce(state_.line);
    }
    const std::string_view rest{state_.line + state_.line_sent, state_.line_size - state_.line_sent};
    if (rest.empty()) return false;
    const size_t taken = uart_.write(rest);
    state_.line_sent += taken;
    return taken == rest.size();
}

void Console::receive() {
    char input[256];
    // Bounded, as a line that never falls silent must not keep the output waiting.
    for (unsigned piece = 0; piece < 16; ++piece) {
        const size_t size = uart_.read(input);
        if (size == 0) return;
        multiplexer_.consume({input, size});
    }
    static_cast<void>(wake.signal(Wake::Readable));
}

void Console::run() {
    bool stopping = false;
    for (;;) {
        const uint64_t bits = wake.wait(~uint64_t{0}).value_or(0);
        if ((bits & Wake::Connected) != 0) connect();
        take_names();
        if ((bits & (Wake::Readable | Wake::Connected)) != 0) receive();
        stopping = stopping || (bits & Wake::Stopping) != 0;
        do {
            take_log();
        } while (send());
        if (stopping && state_.line_sent == state_.line_size) protocol::Supervisor::stopped();
    }
}

}  // namespace
}  // namespace bulkhead::console

int bulkhead::program_main(const protocol::StartupInformation& startup) {
    using namespace console;
    if (startup.state_bytes < sizeof(ConsoleState)) {
        runtime::log("the manifest's 'state' is too small: {} bytes needed", sizeof(ConsoleState));
        return 1;
    }
    auto& state = *reinterpret_cast<ConsoleState*>(protocol::Place::state);
    const bool first_start = state.magic != ConsoleState::expected_magic;
    state.magic = ConsoleState::expected_magic;

    const auto* uart = startup.find("uart");
    auto notification = runtime::Notification::create();
    if (uart == nullptr || !notification.ok() || runtime::environment().machine == abi::null_selector) {
        runtime::log("the manifest must connect the service 'uart' and allow 'read-log'");
        return 1;
    }
    wake = notification.value();
    for (unsigned channel = 0; channel < channel_count; ++channel)
        channels[channel].initialize(state.rings[channel], wake, Wake::Channel);
    auto service =
        runtime::Service::create({.name = "console", .entry = runtime::message_handler<handle>, .receive_slots = 1});
    if (!service.ok() || !protocol::Supervisor::watch(wake, Wake::Connected, Wake::Stopping) ||
        !protocol::Supervisor::offer("console", service.value())) {
        runtime::log("cannot start the service 'console'");
        return 1;
    }
    const std::string_view arguments{startup.arguments};
    const Mode mode = arguments.find("framed") != std::string_view::npos ? Mode::Framed : Mode::Terminal;
    Console console{state, mode, uart->first, first_start};
    console.start();
    console.run();
}
