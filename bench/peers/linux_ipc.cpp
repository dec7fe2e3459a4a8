// SPDX-License-Identifier: Apache-2.0
// What Linux's own ways to talk cost, on one processor: a round trip between two processes or threads, by the
// time-stamp counter. Each round is timed alone; the least is what nothing disturbed.
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "bench/peers/futex_pair.hpp"
#include "bench/peers/ticks.hpp"

namespace bulkhead::peers {
namespace {

constexpr unsigned kWarmUp = 20;
constexpr unsigned kRounds = 400;

/// Times rounds of `round`, one by one.
template <typename Function>
void measure(const char* name, Function round) {
    for (unsigned i = 0; i < kWarmUp; ++i) round();
    std::vector<uint64_t> figures;
    for (unsigned i = 0; i < kRounds; ++i) {
        const uint64_t start = ticks();
        round();
        figures.push_back(ticks() - start);
    }
    print_figure(name, std::move(figures));
}

void write_all(int file, const void* bytes, size_t size) {
    if (::write(file, bytes, size) != static_cast<ssize_t>(size)) fail("cannot write %zu bytes", size);
}

/// False at the end of the stream.
bool read_all(int file, void* bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        const ssize_t count = ::read(file, static_cast<char*>(bytes) + done, size - done);
        if (count == 0) return false;
        if (count < 0) fail("cannot read");
        done += static_cast<size_t>(count);
    }
    return true;
}

/// A child process that sends back what it gets.
class EchoProcess {
  public:
    EchoProcess(int input, int output, size_t size, std::initializer_list<int> not_its_own) {
        child_ = ::fork();
        if (child_ < 0) fail("cannot fork");
        if (child_ != 0) return;
        // It ends with its parent's ends, which it must not hold open.
        for (const int file : not_its_own) ::close(file);
        char bytes[4096];
        while (read_all(input, bytes, size)) write_all(output, bytes, size);
        ::_exit(0);
    }
    ~EchoProcess() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }

  private:
    pid_t child_ = -1;
};

void measure_pipe(const char* name, size_t size) {
    int there[2];
    int back[2];
    if (::pipe(there) != 0 || ::pipe(back) != 0) fail("cannot make pipes");
    const EchoProcess echo(there[0], back[1], size, {there[1], back[0]});
    char bytes[4096] = {};
    measure(name, [&] {
        write_all(there[1], bytes, size);
        read_all(back[0], bytes, size);
    });
}

void measure_socket(const char* name, size_t size) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("cannot make a socket pair");
    const EchoProcess echo(ends[1], ends[1], size, {ends[0]});
    char bytes[4096] = {};
    measure(name, [&] {
        write_all(ends[0], bytes, size);
        read_all(ends[0], bytes, size);
    });
}

void measure_eventfd_alone() {
    const int event = ::eventfd(0, 0);
    if (event < 0) fail("cannot make an event");
    std::vector<uint64_t> signals;
    std::vector<uint64_t> waits;
    uint64_t value = 1;
    for (unsigned i = 0; i < kRounds; ++i) {
        const uint64_t start = ticks();
        write_all(event, &value, sizeof value);
        const uint64_t middle = ticks();
        read_all(event, &value, sizeof value);
        signals.push_back(middle - start);
        waits.push_back(ticks() - middle);
    }
    print_figure("eventfd: signal, nobody waits", std::move(signals));
    print_figure("eventfd: wait, already signalled", std::move(waits));
    ::close(event);
}

void measure_eventfd() {
    const int there = ::eventfd(0, 0);
    const int back = ::eventfd(0, 0);
    if (there < 0 || back < 0) fail("cannot make events");
    const EchoProcess echo(there, back, sizeof(uint64_t), {});
    uint64_t value = 1;
    measure("eventfd: round trip, two processes", [&] {
        value = 1;
        write_all(there, &value, sizeof value);
        read_all(back, &value, sizeof value);
    });
}

void measure_futex() {
    FutexPair pair;
    std::thread other([&] { pair.answer(); });
    measure("futex: round trip, two threads", [&] { pair.round(); });
    pair.end();
    other.join();
}

}  // namespace
}  // namespace bulkhead::peers

int main() {
    using namespace bulkhead::peers;
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    if (::sched_setaffinity(0, sizeof first, &first) != 0) fail("cannot stay on one processor");
    measure("two readings of the time-stamp counter", [] {});
    measure("getppid", [] { ::syscall(SYS_getppid); });
    measure_pipe("pipe: round trip, two processes, 32 bytes", 32);
    measure_pipe("pipe: round trip, two processes, 512 bytes", 512);
    measure_socket("Unix socket: round trip, two processes, 32 bytes", 32);
    measure_eventfd();
    measure_futex();
    measure_eventfd_alone();
    return 0;
}
