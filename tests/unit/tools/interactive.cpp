// SPDX-License-Identifier: Apache-2.0
// `bulkhead run` as a person uses it: on a terminal, with keys typed, from the first line to the restored terminal.
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>

#include "tools/machine/layout.hpp"
#include "tools/machine/process.hpp"

using namespace bulkhead::tool;

namespace {

using Clock = std::chrono::steady_clock;

/// The tool on a terminal of 30 rows and 100 columns.
class TerminalSession {
  public:
    explicit TerminalSession(const std::vector<std::string>& arguments) {
        const std::string tool = (find_layout().build / "tools" / "bulkhead" / "bulkhead").string();
        std::vector<std::string> words{tool};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> pointers;
        for (auto& word : words) pointers.push_back(word.data());
        pointers.push_back(nullptr);
        const winsize size{30, 100, 0, 0};
        int terminal = -1;
        pid_ = ::forkpty(&terminal, nullptr, nullptr, &size);
        if (pid_ == 0) {
            ::execv(tool.c_str(), pointers.data());
            ::_exit(127);
        }
        terminal_ = Descriptor(terminal);
    }
    TerminalSession(const TerminalSession&) = delete;
    TerminalSession& operator=(const TerminalSession&) = delete;
    ~TerminalSession() {
        if (!status_) ::kill(pid_, SIGKILL);
        wait();
    }

    /// Reads until `text` has appeared behind what the last call waited for.
    bool wait_for(std::string_view text, std::chrono::seconds limit = std::chrono::seconds(120)) {
        const auto deadline = Clock::now() + limit;
        while (true) {
            const auto found = output_.find(text, seen_);
            if (found != std::string::npos) {
                seen_ = found + text.size();
                return true;
            }
            if (Clock::now() > deadline || !read_some()) return false;
        }
    }
    /// Waits until the guest's shell reads: behind its prompt it asks the terminal for the cursor's place.
    bool wait_for_prompt() { return wait_for("/ # ") && wait_for("\x1b[6n"); }
    void type(std::string_view keys) { EXPECT_EQ(::write(terminal_.value(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size())); }
    bool line_mode() const {
        termios settings{};
        return ::tcgetattr(terminal_.value(), &settings) == 0 && (settings.c_lflag & ICANON) != 0;
    }
    int wait() {
        if (!status_) {
            int status = 0;
            ::waitpid(pid_, &status, 0);
            status_ = exit_status(status);
        }
        return *status_;
    }
    const std::string& output() const { return output_; }

  private:
    bool read_some() {
        pollfd ready{terminal_.value(), POLLIN, 0};
        if (::poll(&ready, 1, 1000) <= 0) return true;
        char buffer[4096];
        const ssize_t count = ::read(terminal_.value(), buffer, sizeof buffer);
        if (count <= 0) return false;
        output_.append(buffer, static_cast<std::size_t>(count));
        return true;
    }

    pid_t pid_ = -1;
    Descriptor terminal_;
    std::string output_;
    std::size_t seen_ = 0;
    std::optional<int> status_;
};

}  // namespace

TEST(Interactive, FromTheFirstLineToTheRestoredTerminal) {
    TerminalSession session({"run", "--on", "qemu-svm"});
    ASSERT_TRUE(session.wait_for("Ctrl-] q")) << session.output();
    EXPECT_EQ(session.output().find("bulkhead: to leave: Ctrl-] q"), 0U) << "not the first line:\n" << session.output();
    ASSERT_TRUE(session.wait_for("[init] ")) << "no sign of progress:\n" << session.output();
    ASSERT_TRUE(session.wait_for_prompt()) << session.output();
    EXPECT_FALSE(session.line_mode());

    session.type("stty size; echo $((6*7))\r");
    EXPECT_TRUE(session.wait_for("30 100\r\n42\r\n")) << session.output();
    ASSERT_TRUE(session.wait_for_prompt()) << session.output();
    session.type("\x1b[A\x7f\x7f\x7f" "5+60))\r");  // the last line again, its end replaced: arrow and backspace
    EXPECT_TRUE(session.wait_for("\r\n90\r\n")) << session.output();
    ASSERT_TRUE(session.wait_for_prompt()) << session.output();
    // A program of its own says that it runs: between two commands of the shell, the shell would swallow the key.
    session.type("sh -c 'echo go; exec sleep 1000'\r");
    ASSERT_TRUE(session.wait_for("\r\ngo\r\n")) << session.output();
    session.type("\x03");  // Ctrl-C is the guest's
    ASSERT_TRUE(session.wait_for_prompt()) << session.output();
    session.type("echo status $?\r");
    EXPECT_TRUE(session.wait_for("\r\nstatus 130\r\n")) << session.output();
    session.type("\x1d?");
    EXPECT_TRUE(session.wait_for("q leaves")) << session.output();

    session.type("\x1dq");
    EXPECT_TRUE(session.wait_for("left; the machine is stopped")) << session.output();
    EXPECT_TRUE(session.wait_for("bulkhead: log: ")) << session.output();
    EXPECT_TRUE(session.line_mode()) << "the terminal is not as it was";
    EXPECT_EQ(session.wait(), 0);
}

TEST(Interactive, EndOfFileEndsTheShellAndTheMachine) {
    TerminalSession session({"run", "--on", "qemu-svm"});
    ASSERT_TRUE(session.wait_for_prompt()) << session.output();
    session.type("\x04");  // Ctrl-D
    EXPECT_TRUE(session.wait_for("the system has halted with status 0")) << session.output();
    EXPECT_EQ(session.wait(), 0);
}
