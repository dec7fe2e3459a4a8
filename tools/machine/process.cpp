// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "tools/machine/error.hpp"

namespace bulkhead::tool {

namespace {

/// In the child, after fork(): only async-signal-safe calls from here on.
[[noreturn]] void become(char* const* arguments, char* const* environment, const ChildStreams& streams,
                         const char* program) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = ::open("/dev/null", O_RDWR);
    const int wanted[3] = {streams.in, streams.out, streams.err};
    for (int target = 0; target < 3; ++target) {
        if (::dup2(wanted[target] >= 0 ? wanted[target] : null, target) < 0) ::_exit(126);
    }
    if (null > 2) ::close(null);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::execve(program, arguments, environment);
    ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> result;
    for (auto& word : words) result.push_back(word.data());
    result.push_back(nullptr);
    return result;
}

/// This process's environment with `extra` in front, which wins.
std::vector<std::string> merged_environment(const std::vector<std::string>& extra) {
    std::vector<std::string> merged = extra;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view current(*entry);
        const auto name = current.substr(0, current.find('=') + 1);
        bool replaced = false;
        for (const auto& own : extra) replaced = replaced || std::string_view(own).starts_with(name);
        if (!replaced) merged.emplace_back(current);
    }
    return merged;
}

}  // namespace

void Descriptor::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Child::Child(const std::vector<std::string>& arguments, ChildStreams streams,
             const std::vector<std::string>& environment) {
    const auto program = find_program(arguments.at(0));
    if (!program) throw Error(arguments[0] + " is not installed (see cmake/packages.txt)");
    // Everything that allocates happens before fork(): the tool has threads.
    std::vector<std::string> words = arguments;
    std::vector<std::string> variables = merged_environment(environment);
    const auto argv = pointers(words);
    const auto envp = pointers(variables);
    pid_ = ::fork();
    if (pid_ < 0) throw_errno("cannot start " + arguments[0]);
    if (pid_ == 0) become(argv.data(), envp.data(), streams, program->c_str());
    ::setpgid(pid_, pid_);
}

std::optional<int> Child::poll() {
    if (status_ || pid_ < 0) return status_;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return status_;
}

int Child::wait() {
    while (!status_ && pid_ > 0) {
        int status = 0;
        if (::waitpid(pid_, &status, 0) == pid_) status_ = status;
        else if (errno != EINTR) throw_errno("waitpid");
    }
    return status_.value_or(0);
}

void Child::kill() {
    if (pid_ < 0 || poll()) return;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    wait();
}

std::string shell_word(std::string_view text) {
    std::string word = "'";
    for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return word + "'";
}

int exit_status(int wait_status) {
    if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : 1;
}

std::optional<std::filesystem::path> find_program(std::string_view name) {
    if (name.find('/') != std::string_view::npos) {
        const std::filesystem::path path(name);
        if (::access(path.c_str(), X_OK) == 0) return path;
        return std::nullopt;
    }
    // A user's PATH may lack the system directories that hold some of the tools.
    const char* variable = ::getenv("PATH");
    std::string list = std::string(variable != nullptr ? variable : "") + ":/usr/sbin:/usr/bin:/sbin:/bin";
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(':', begin), list.size());
        const auto candidate = std::filesystem::path(list.substr(begin, end - begin)) / name;
        if (begin != end && ::access(candidate.c_str(), X_OK) == 0) return candidate;
        begin = end + 1;
    }
    return std::nullopt;
}

Output run_command(const std::vector<std::string>& arguments, unsigned timeout_s,
                   const std::vector<std::string>& environment) {
    using Clock = std::chrono::steady_clock;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe");
    Descriptor read_end(ends[0]), write_end(ends[1]);
    Child child(arguments, {-1, write_end.value(), write_end.value()}, environment);
    write_end.close();

    const auto deadline = Clock::now() + std::chrono::seconds(timeout_s);
    std::string text;
    char buffer[65536];
    while (true) {
        int wait_ms = -1;
        if (timeout_s != 0) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
            if (left <= 0) {
                child.kill();
                return {124, text};
            }
            wait_ms = static_cast<int>(left);
        }
        pollfd ready{read_end.value(), POLLIN, 0};
        if (::poll(&ready, 1, wait_ms) <= 0) continue;
        const ssize_t count = ::read(read_end.value(), buffer, sizeof buffer);
        if (count == 0 || (count < 0 && errno != EINTR)) break;
        if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
    }
    return {exit_status(child.wait()), text};
}

}  // namespace bulkhead::tool
