// SPDX-License-Identifier: Apache-2.0
// The framed serial protocol, --exec's markers, the escape key, and the watch on a run's log.
#include <gtest/gtest.h>

#include <map>

#include "tools/console/exec_output.hpp"
#include "tools/console/frame.hpp"
#include "tools/console/run_log.hpp"
#include "tools/console/terminal.hpp"
#include "tools/machine/layout.hpp"

using namespace bulkhead::tool;

namespace {

/// What a demultiplexer delivered.
struct Received {
    std::string text;
    std::map<unsigned, std::string> channels;

    FrameDemux demux() {
        return FrameDemux([this](std::string_view bytes) { text += bytes; },
                          [this](unsigned channel, std::string_view payload) { channels[channel] += payload; });
    }
};

std::string all_bytes() {
    std::string bytes;
    for (int value = 0; value < 256; ++value) bytes += static_cast<char>(value);
    return bytes;
}

}  // namespace

TEST(FrameDemux, TakesTextAndFramesApart) {
    Received received;
    auto demux = received.demux();
    demux.feed("early log\r\n" + encode_frames(0, "[init] up\n") + "panic" + encode_frames(3, "# ") + "!");
    demux.finish();
    EXPECT_EQ(received.text, "early log\r\npanic!");
    EXPECT_EQ(received.channels[0], "[init] up\n");
    EXPECT_EQ(received.channels[3], "# ");
}

TEST(FrameDemux, GivesTheSameForPiecesOfAnySize) {
    const std::string stream = "a" + encode_frames(1, all_bytes()) + "b" + encode_frames(94, "z");
    for (std::size_t piece = 1; piece < 20; ++piece) {
        Received received;
        auto demux = received.demux();
        for (std::size_t begin = 0; begin < stream.size(); begin += piece) demux.feed(stream.substr(begin, piece));
        EXPECT_EQ(received.text, "ab");
        EXPECT_EQ(received.channels[1], all_bytes());
        EXPECT_EQ(received.channels[94], "z");
    }
}

TEST(FrameDemux, TreatsABrokenHeaderAsText) {
    Received received;
    auto demux = received.demux();
    demux.feed(std::string("\x01\x02x", 3));
    demux.feed(std::string("\x01!\x03y", 4));
    EXPECT_EQ(received.text, std::string("\x01\x02x\x01!\x03y", 7));
    EXPECT_TRUE(received.channels.empty());
}

TEST(FrameDemux, DeliversAnUnfinishedFrameAtTheEnd) {
    Received received;
    auto demux = received.demux();
    demux.feed(encode_frames(2, "complete").substr(0, 6));
    demux.finish();
    EXPECT_EQ(received.channels[2], "com");
}

TEST(EncodeFrames, CutsLongPayloads) {
    const auto frames = encode_frames(0, std::string(200, 'x'));
    EXPECT_EQ(frames.size(), 200U + 3 * 3);
    EXPECT_EQ(frames.substr(0, 3), std::string("\x01\x20\x7f"));
    EXPECT_TRUE(encode_frames(0, "").empty());
}

TEST(LineSplitter, DropsBothKindsOfLineEnds) {
    std::vector<std::string> lines;
    LineSplitter splitter([&](std::string_view line) { lines.emplace_back(line); });
    splitter.feed("one\r\ntw");
    splitter.feed("o\n\nlast");
    splitter.finish();
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "", "last"}));
}

TEST(ExecOutput, FindsOutputAndStatusBetweenTheMarkers) {
    const std::string console =
        "boot noise\n<bulkhead-exec beef begin>\nLinux\nno newline<bulkhead-exec beef end 3>\nmore";
    for (std::size_t piece = 1; piece < 40; ++piece) {
        std::string output;
        ExecOutput exec("beef", [&](std::string_view text) { output += text; });
        for (std::size_t begin = 0; begin < console.size(); begin += piece) exec.feed(console.substr(begin, piece));
        EXPECT_EQ(output, "Linux\nno newline");
        EXPECT_EQ(exec.status(), 3);
    }
}

TEST(ExecOutput, PassesOutputOnBeforeTheEnd) {
    std::string output;
    ExecOutput exec("beef", [&](std::string_view text) { output += text; });
    exec.feed("<bulkhead-exec beef begin>\nfirst line\n");
    EXPECT_EQ(output, "first line\n");
    EXPECT_TRUE(exec.started());
    EXPECT_FALSE(exec.status());
    exec.feed("<bulkhead-exec cafe end 0>");
    EXPECT_FALSE(exec.status());
}

TEST(EscapeFilter, TakesCommandsOutOfWhatIsTyped) {
    EscapeFilter filter;
    std::string typed;
    EXPECT_EQ(filter.feed("ls\x1d", typed), EscapeCommand::None);
    EXPECT_EQ(filter.feed("q", typed), EscapeCommand::Quit);
    EXPECT_EQ(filter.feed("\x1dn", typed), EscapeCommand::NextConsole);
    EXPECT_EQ(filter.feed("\x1dl", typed), EscapeCommand::ToggleLog);
    EXPECT_EQ(filter.feed("\x1d\x1d", typed), EscapeCommand::None);
    EXPECT_EQ(typed, "ls\x1d");
    EXPECT_EQ(filter.feed("\x1d?", typed), EscapeCommand::Help);
    EXPECT_EQ(filter.feed("\x1dz", typed), EscapeCommand::Help);
    EXPECT_EQ(typed, "ls\x1d");
}

TEST(RunLog, KeepsTheLastWordsOfAGuest) {
    const TemporaryDirectory directory;
    RunLog log(directory.path() / "run.log");
    EXPECT_EQ(log.guest_tail(1), "");
    for (int line = 0; line < 1000; ++line) log.channel(1, "line " + std::to_string(line) + "\n");
    log.channel(2, "another guest\n");
    const auto tail = log.guest_tail(1);
    EXPECT_TRUE(tail.ends_with("line 998\nline 999\n"));
    EXPECT_TRUE(tail.starts_with("line "));
    EXPECT_LT(tail.size(), 2000U);
    EXPECT_EQ(log.guest_tail(2), "another guest\n");
}

TEST(RunLog, SeesHaltPanicAndChannels) {
    const TemporaryDirectory directory;
    RunLog log(directory.path() / "deep" / "run.log");
    log.kernel_text("bulkhead: sys");
    log.kernel_text("tem halted (status 7)\r\n");
    EXPECT_EQ(log.halt_status(), 7);
    log.channel(0, "[console] console: channel 1 = vm linux\n");
    EXPECT_EQ(log.channel_names().at(1), "vm linux");
    EXPECT_FALSE(log.panicked());
    log.kernel_text("bulkhead: KERNEL PANIC on CPU 0: oh\n");
    EXPECT_TRUE(log.panicked());
    log.channel(1, "login");
    log.finish();
    const auto content = read_file(log.file());
    EXPECT_NE(content.find("{1} login\n"), std::string::npos);
    EXPECT_NE(content.find("bulkhead: system halted (status 7)\n"), std::string::npos);
}
