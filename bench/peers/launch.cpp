// SPDX-License-Identifier: Apache-2.0
// Runs one command in a rig's Linux and says when what happened, by the time-stamp counter:
//
//   launch NAME [--with FILE]... -- COMMAND...
//
// The command's standard output is passed on, line by line. A line that starts with '@' is what this program waits
// for: it is printed with the time at which it was there, and at that time the counters of KVM's machines and the files
// named with --with (histograms of the kernel's tracer) are read. They are printed behind the command's end, since a
// serial line is slow and the command goes on meanwhile. NAME marks every line, so that one log holds many runs.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>

#include "bench/peers/ticks.hpp"

namespace bulkhead::peers {
namespace {

constexpr const char* kCounters = "/sys/kernel/debug/kvm";

struct Options {
    const char* name = nullptr;
    std::vector<std::string> files;
    char** command = nullptr;
};

Options parse(int count, char** arguments) {
    Options options;
    if (count > 1) options.name = arguments[1];
    int index = 2;
    while (index + 1 < count && std::strcmp(arguments[index], "--with") == 0) {
        options.files.emplace_back(arguments[index + 1]);
        index += 2;
    }
    if (index + 1 < count && std::strcmp(arguments[index], "--") == 0) options.command = arguments + index + 1;
    if (options.name == nullptr || options.command == nullptr) {
        std::printf("@error usage: launch NAME [--with FILE]... -- COMMAND...\n");
        std::exit(2);
    }
    return options;
}

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    DIR* open = ::opendir(directory.c_str());
    if (open == nullptr) return names;
    while (const dirent* entry = ::readdir(open)) {
        if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    }
    ::closedir(open);
    return names;
}

/// The first word of a file, or nothing if it cannot be read.
std::string first_word(const std::string& file) {
    std::ifstream stream(file);
    std::string word;
    stream >> word;
    return word;
}

/// KVM's counters over all machines.
std::string read_counters() {
    std::string line;
    for (const auto& name : names_in(kCounters)) {
        const std::string value = first_word(std::string(kCounters) + "/" + name);
        if (!value.empty() && value != "0") line += " " + name + "=" + value;
    }
    return line;
}

/// The offset of the time-stamp counter of the machine's first CPU; nothing if there is no machine.
std::string read_tsc_offset() {
    for (const auto& name : names_in(kCounters)) {
        std::string offset = first_word(std::string(kCounters) + "/" + name + "/vcpu0/tsc-offset");
        if (!offset.empty()) return offset;
    }
    return {};
}

/// The state of the rig when one line came.
struct Snapshot {
    std::string counters;
    std::vector<std::string> files;  ///< content, in the order of Options::files
};

std::string read_whole(const std::string& file) {
    std::ifstream stream(file);
    std::ostringstream content;
    content << stream.rdbuf();
    return std::move(content).str();
}

class Recorder {
  public:
    explicit Recorder(const Options& options) : options_{options} {}

    void line(std::string text, uint64_t now) {
        while (!text.empty() && text.back() == '\r') text.pop_back();
        const auto mark = text.find('@');
        if (mark == std::string::npos) {
            std::printf("%s| %s\n", options_.name, text.c_str());
        } else {
            look_for_machine();
            Snapshot snapshot{read_counters(), {}};
            if (!tsc_offset_.empty()) snapshot.counters += " tsc-offset=" + tsc_offset_;
            for (const auto& file : options_.files) snapshot.files.push_back(read_whole(file));
            snapshots_.push_back(std::move(snapshot));
            std::printf("@ %s line %llu %s\n", options_.name, static_cast<unsigned long long>(now), text.c_str() + mark);
        }
        std::fflush(stdout);
    }

    /// A machine may be gone before its last line is read: its offset is noted when it is there. True if it is known.
    bool look_for_machine() {
        if (std::string offset = read_tsc_offset(); !offset.empty()) tsc_offset_ = std::move(offset);
        return !tsc_offset_.empty();
    }

    void print() const {
        for (size_t index = 0; index < snapshots_.size(); ++index) {
            std::printf("@ %s snapshot %zu\n", options_.name, index);
            if (!snapshots_[index].counters.empty()) std::printf("@ %s counters%s\n", options_.name, snapshots_[index].counters.c_str());
            for (size_t file = 0; file < options_.files.size(); ++file) print_rows(options_.files[file], snapshots_[index].files[file]);
        }
    }

  private:
    /// Of a histogram, its rows.
    void print_rows(const std::string& name, const std::string& content) const {
        std::istringstream lines(content);
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("{")) std::printf("@ %s file %s %s\n", options_.name, name.c_str(), line.c_str());
        }
    }

    const Options& options_;
    std::vector<Snapshot> snapshots_;
    std::string tsc_offset_;
};

/// Looks now and then, until there is a machine or something to read.
void wait_for_machine(Recorder& recorder, int from) {
    constexpr int interval_ms = 20;
    pollfd source{from, POLLIN, 0};
    while (::poll(&source, 1, interval_ms) == 0 && !recorder.look_for_machine()) {
    }
}

void relay(const Options& options, Recorder& recorder, int from) {
    std::string pending;
    char buffer[4096];
    bool first = true;
    wait_for_machine(recorder, from);
    for (;;) {
        const ssize_t count = ::read(from, buffer, sizeof buffer);
        const uint64_t now = ticks();
        if (count <= 0) break;
        if (first) std::printf("@ %s first %llu\n", options.name, static_cast<unsigned long long>(now));
        first = false;
        pending.append(buffer, static_cast<std::size_t>(count));
        for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
            recorder.line(pending.substr(0, end), now);
            pending.erase(0, end + 1);
        }
    }
    if (!pending.empty()) recorder.line(pending, ticks());
}

int run(const Options& options) {
    int output[2];
    int input[2];
    // Nothing is ever typed, but the input stays open: a monitor may take its end for an order to leave.
    if (::pipe2(output, O_CLOEXEC) != 0 || ::pipe2(input, O_CLOEXEC) != 0) fail("cannot make a pipe");
    const uint64_t idle_before = idle_ns();
    // Printing costs instructions, too: nothing goes out before there is something to wait for.
    std::setvbuf(stdout, nullptr, _IOFBF, 1 << 16);
    const uint64_t start = ticks();
    const pid_t child = ::fork();
    if (child < 0) fail("cannot fork");
    if (child == 0) {
        ::dup2(input[0], STDIN_FILENO);
        ::dup2(output[1], STDOUT_FILENO);
        ::execvp(options.command[0], options.command);
        ::_exit(127);
    }
    ::close(output[1]);
    ::close(input[0]);
    std::printf("@ %s start %llu\n", options.name, static_cast<unsigned long long>(start));
    Recorder recorder(options);
    relay(options, recorder, output[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    const uint64_t end = ticks();
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    std::printf("@ %s end %llu status %d idle_ns %llu\n", options.name, static_cast<unsigned long long>(end), code,
                static_cast<unsigned long long>(idle_ns() - idle_before));
    recorder.print();
    std::fflush(stdout);
    return code;
}

}  // namespace
}  // namespace bulkhead::peers

int main(int count, char** arguments) {
    using namespace bulkhead::peers;
    return run(parse(count, arguments));
}
