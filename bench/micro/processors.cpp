// SPDX-License-Identifier: Apache-2.0
// What the number of CPUs costs: flushing translations on all of them, signals to all of them, calls and objects while all
// of them are at it. The machine needs as many CPUs as the sweep goes up to (--cpus 8). In Bochs one tick is one instruction
// of every CPU, so figures there are lengths of paths and of waits, and repeat.
#include <atomic>

#include "bench/micro/benchmark.hpp"
#include "runtime/message.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {
namespace {

using runtime::Notification;

constexpr uint64_t cpu_counts[] = {1, 2, 4, 8};
constexpr uint64_t several_cpus[] = {2, 4, 8};
constexpr unsigned most_neighbours = 7;
constexpr uint64_t place = 0x31'0000'0000;

/// What one thread on another CPU has, and the measuring thread with it.
struct Neighbour {
    runtime::Thread thread;
    Notification go;
    test::Handler handler;
    std::atomic<bool> ready{false};
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> answers{0};
};
Neighbour neighbours[most_neighbours];

void announce(Neighbour& neighbour) { neighbour.ready.store(true, std::memory_order_release); }

/// One thread on each CPU behind the first, running until the end of the scope.
class Crowd {
  public:
    ~Crowd() {
        for (unsigned i = 0; i < count_; ++i) {
            neighbours[i].thread.destroy();
            neighbours[i].ready = false;
        }
    }
    /// False, with the reason in `run`, if there are too few CPUs or something fails.
    bool start(Run& run, runtime::ThreadFunction function) {
        if (test::root().cpu_count < run.argument()) return run.skip("the machine has too few CPUs (--cpus 8)"), false;
        while (count_ + 1 < run.argument()) {
            Neighbour& next = neighbours[count_];
            auto thread = test::start_thread(function, &next, test::test_priority, count_ + 1);
            if (!thread.ok()) return run.fail("thread on another CPU", thread.error()), false;
            next.thread = thread.value();
            ++count_;
            if (!test::eventually([&] { return next.ready.load(std::memory_order_acquire); })) return run.fail("a CPU does not start"), false;
        }
        return true;
    }
    unsigned size() const { return count_; }

  private:
    unsigned count_ = 0;
};

[[noreturn]] void stay_busy(void* argument) {
    announce(*static_cast<Neighbour*>(argument));
    for (;;) asm volatile("pause" ::: "memory");
}

void unmap(Run& run) {
    auto memory = BENCH_NEEDED(test::take_memory(4096));
    {
        Crowd crowd;
        if (!crowd.start(run, stay_busy)) return test::give_memory_back(memory);
        for (uint64_t i = 0; i < run.iterations(); ++i) {
            BENCH_OK(memory.map(place, 0, 4096, runtime::read_write));
            *reinterpret_cast<volatile uint64_t*>(place) = i;
            BENCH_OK(run.timed([&] { return runtime::unmap(place); }));
        }
    }
    test::give_memory_back(memory);
}

[[noreturn]] void answer_signals(void* argument) {
    auto& self = *static_cast<Neighbour*>(argument);
    announce(self);
    for (;;) {
        static_cast<void>(self.go.wait());
        self.answers.fetch_add(1, std::memory_order_release);
    }
}

void signal_all(unsigned count, uint64_t round) {
    for (unsigned i = 0; i < count; ++i) static_cast<void>(neighbours[i].go.signal(1));
    for (unsigned i = 0; i < count; ++i) {
        while (neighbours[i].answers.load(std::memory_order_acquire) != round) asm volatile("pause");
    }
}

void fan_out(Run& run) {
    for (auto& neighbour : neighbours) {
        neighbour.go = BENCH_NEEDED(Notification::create());
        neighbour.answers = 0;
    }
    {
        Crowd crowd;
        if (crowd.start(run, answer_signals)) {
            uint64_t round = 0;
            run.loop([&] { signal_all(crowd.size(), ++round); });
        }
    }
    for (auto& neighbour : neighbours) static_cast<void>(neighbour.go.destroy());
}

runtime::ShortAnswer echo(uint64_t /*badge*/, uint32_t label, const runtime::Words& words) { return {label, words}; }

[[noreturn]] void call_for_ever(void* argument) {
    auto& self = *static_cast<Neighbour*>(argument);
    announce(self);
    for (;;) static_cast<void>(runtime::call(self.handler.portal.selector(), 0, 1, 2, 3, 4));
}

/// Each CPU calls a handler of its own.
void call(Run& run) {
    if (test::root().cpu_count < run.argument()) return run.skip("the machine has too few CPUs (--cpus 8)");
    auto handler = BENCH_NEEDED(test::Handler::create(runtime::short_handler<echo>));
    const auto others = static_cast<uint32_t>(run.argument() - 1);
    for (uint32_t i = 0; i < others; ++i) neighbours[i].handler = BENCH_NEEDED(test::Handler::create(runtime::short_handler<echo>, 0, i + 1));
    {
        Crowd crowd;
        if (crowd.start(run, call_for_ever)) run.loop([&] { static_cast<void>(runtime::call(handler.portal.selector(), 0, 1, 2, 3, 4)); });
    }
    for (uint32_t i = 0; i < others; ++i) neighbours[i].handler.destroy();
    handler.destroy();
}

void create_and_destroy() {
    auto notification = Notification::create();
    if (notification.ok()) static_cast<void>(notification.value().destroy());
}

/// Until it is told to stop: destroyed in the middle it might hold the lock of this program's slots for ever.
[[noreturn]] void create_until_told(void* argument) {
    auto& self = *static_cast<Neighbour*>(argument);
    self.stop = false;
    announce(self);
    while (!self.stop.load(std::memory_order_acquire)) create_and_destroy();
    self.ready.store(false, std::memory_order_release);
    for (;;) asm volatile("pause" ::: "memory");
}

/// Creating and destroying take the lock that serialises changes of the configuration: the CPUs wait for each other.
void create(Run& run) {
    Crowd crowd;
    if (crowd.start(run, create_until_told)) run.loop(create_and_destroy);
    for (unsigned i = 0; i < crowd.size(); ++i) {
        neighbours[i].stop.store(true, std::memory_order_release);
        if (!test::eventually([&] { return !neighbours[i].ready.load(std::memory_order_acquire); })) run.fail("a CPU does not stop");
    }
}

constexpr Benchmark table[] = {
    {"processors/unmap", "cpus", cpu_counts, 10, guard_none, "unmaps a page of a domain that runs on so many CPUs, all flushed", unmap},
    {"processors/signal_all", "cpus", several_cpus, 20, guard_none,
     "wakes a thread on each other CPU by a signal of its own, until all have answered", fan_out},
    {"processors/call", "cpus", cpu_counts, 50, guard_none, "call and reply in one domain, 4 words, while so many CPUs do it", call},
    {"processors/create_destroy", "cpus", cpu_counts, 20, guard_none,
     "makes and destroys a notification while so many CPUs do it", create},
};

}  // namespace

const std::span<const Benchmark> processor_benchmarks{table};

}  // namespace bulkhead::bench
