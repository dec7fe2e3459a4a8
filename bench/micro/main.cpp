// SPDX-License-Identifier: Apache-2.0
// The benchmark target: the root task, alone on the machine. The host asks over the serial line and the target answers
// with lines that begin with `bench `; docs/reference/benchmarks.md has the protocol.
//
//   list                       item NAME ... for each, then end
//   run NAME ARG ITERATIONS    result ..., skip ... or error ...
//   trace NAME ARG ITERATIONS  the same, and one iteration more between two magic breakpoints
//   halt                       the machine halts
#include <cstring>

#include "bench/micro/benchmark.hpp"
#include "bench/micro/serial_line.hpp"
#include "runtime/log.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

const abi::RootInformation* root_information = nullptr;

/// What the framework under the benchmarks complains about.
char complaint[200];
size_t complaint_size = 0;

}  // namespace

const abi::RootInformation& root() { return *root_information; }

void record_failure(const char* /*file*/, unsigned line, std::string_view why) {
    if (complaint_size == 0) complaint_size = runtime::format_into(complaint, "line {}: {}", line, why).size();
}

}  // namespace bulkhead::test

namespace bulkhead::bench {
namespace {

const std::span<const Benchmark>* const tables[] = {
    &call_benchmarks,   &notification_benchmarks, &interrupt_benchmarks, &object_benchmarks, &memory_benchmarks,
    &paging_benchmarks, &schedule_benchmarks,     &scale_benchmarks,     &processor_benchmarks,
    &vm_benchmarks};

/// A line under construction: longer than what the log takes at once.
class Line {
  public:
    template <typename... Arguments>
    Line& put(Format<Arguments...> format, const Arguments&... arguments) {
        runtime::format_to(sink_, Format<Arguments...>{format}, arguments...);
        return *this;
    }
    void send() {
        sink_.put('\n');
        runtime::write_kernel_log(sink_.text());
    }

  private:
    char buffer_[720];
    runtime::TextSink sink_{buffer_, sizeof buffer_};
};

void announce(const Benchmark& benchmark) {
    Line line;
    line.put("bench item {} iterations={} values=", benchmark.name, benchmark.iterations);
    const char* separator = "";
    for (const uint64_t value : benchmark.values) {
        line.put("{}{}", separator, value);
        separator = ",";
    }
    if (benchmark.argument != nullptr) line.put(" argument={}", benchmark.argument);
    if (benchmark.guarded_up_to != guard_none) line.put(" guarded={}", benchmark.guarded_up_to);
    line.put(" about={}", benchmark.about).send();
}

void list() {
    for (const auto* table : tables) {
        for (const Benchmark& benchmark : *table) announce(benchmark);
    }
    Line{}.put("bench end").send();
}

const Benchmark* find(std::string_view name) {
    for (const auto* table : tables) {
        for (const Benchmark& benchmark : *table) {
            if (name == benchmark.name) return &benchmark;
        }
    }
    return nullptr;
}

/// Takes the next word off a line.
std::string_view next_word(std::string_view& text) {
    const size_t end = text.find(' ') < text.size() ? text.find(' ') : text.size();
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end < text.size() ? end + 1 : end);
    return word;
}

uint64_t number(std::string_view text) {
    uint64_t value = 0;
    for (const char digit : text) value = value * 10 + static_cast<uint64_t>(digit - '0');
    return value;
}

void report(const Benchmark& benchmark, const Run& run) {
    Line line;
    if (test::complaint_size != 0 || run.failed()) {
        const std::string_view why = run.failed() ? run.error() : std::string_view{test::complaint, test::complaint_size};
        return line.put("bench error {} {} {}", benchmark.name, run.argument(), why).send();
    }
    if (run.skip_reason() != nullptr) {
        return line.put("bench skip {} {} {}", benchmark.name, run.argument(), run.skip_reason()).send();
    }
    line.put("bench result {} {} operations={} ticks={}", benchmark.name, run.argument(), run.operations(), run.ticks());
    for (const Counter& counter : run.counters()) line.put(" {}={}", counter.name, counter.value);
    line.send();
}

void run_one(std::string_view arguments, bool traced) {
    const std::string_view name = next_word(arguments);
    const uint64_t argument = number(next_word(arguments));
    const uint64_t iterations = number(next_word(arguments));
    const Benchmark* benchmark = find(name);
    if (benchmark == nullptr || iterations == 0) {
        Line{}.put("bench error {} {} no such benchmark, or no iterations", name, argument).send();
        return;
    }
    test::complaint_size = 0;
    Run run{argument, iterations, traced};
    benchmark->function(run);
    report(*benchmark, run);
}

void serve(void* argument) {
    SerialLine line;
    if (const auto opened = line.open(); !opened.ok()) runtime::log("bench fatal COM1's ports: {}", opened.error());
    const abi::SystemInformation& system = runtime::system_information();
    Line{}
        .put("bench ready 1 tsc_hz={} cpus={} vendor={} virtualization={}", system.tsc_hz, test::root().cpu_count,
             static_cast<uint32_t>(system.vendor), static_cast<uint32_t>(system.virtualization))
        .send();
    for (;;) {
        const auto read = line.read_line();
        if (!read.ok()) {
            Line{}.put("bench fatal reading COM1: {}", read.error()).send();
            break;
        }
        char copy[200];
        std::memcpy(copy, read.value().data(), read.value().size());
        std::string_view text{copy, read.value().size()};
        const std::string_view command = next_word(text);
        if (command == "list") {
            list();
        } else if (command == "run" || command == "trace") {
            run_one(text, command == "trace");
        } else if (command == "halt") {
            break;
        } else {
            Line{}.put("bench error - 0 unknown command '{}'", command).send();
        }
    }
    static_cast<void>(static_cast<runtime::Notification*>(argument)->signal(1));
}

}  // namespace
}  // namespace bulkhead::bench

/// The benchmarks run on a thread of their own, whose priority is known.
int bulkhead::root_main(const abi::RootInformation& information) {
    test::root_information = &information;
    auto finished = runtime::Notification::create().unwrap("the root task may create");
    runtime::ThreadOptions options;
    options.name = "bench";
    auto thread = runtime::Thread::create(options, bench::serve, &finished).unwrap("there is memory for a thread");
    thread.start({.priority = test::test_priority}).unwrap("the root task may have any priority");
    static_cast<void>(finished.wait());
    return 0;
}
