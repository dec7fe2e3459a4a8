// SPDX-License-Identifier: Apache-2.0
// What the virtual machine costs, seen from a program inside Debian: exits that user space can cause, timers, sleep,
// other CPUs, fresh memory.
//
//   guest_bench [--unit=instructions|nanoseconds|ticks] [--context=KEY=VALUE]... [Google Benchmark's own arguments]
//
// Ends with 1 when a benchmark went wrong, 2 when the arguments are.
#include <sched.h>
#include <sys/prctl.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include "bench/guest/measure.hpp"
#include "bench/guest/reporter.hpp"
#include "bench/guest/subjects.hpp"

namespace bulkhead::guest {
namespace {

struct OwnArguments {
    std::string unit = "ticks";
    bool good = true;
};

/// Takes our own arguments out of `arguments`.
OwnArguments take_own(std::vector<char*>& arguments) {
    constexpr std::string_view unit_option = "--unit=";
    constexpr std::string_view context_option = "--context=";
    OwnArguments own;
    std::erase_if(arguments, [&](const char* argument) {
        const std::string_view text = argument;
        if (text.starts_with(unit_option)) {
            own.unit = text.substr(unit_option.size());
            return true;
        }
        if (!text.starts_with(context_option)) return false;
        const auto pair = text.substr(context_option.size());
        const auto equals = pair.find('=');
        own.good = own.good && equals != std::string_view::npos;
        if (own.good) benchmark::AddCustomContext(std::string(pair.substr(0, equals)), std::string(pair.substr(equals + 1)));
        return true;
    });
    if (own.unit == "instructions") set_unit(Unit::Instructions);
    else if (own.unit == "nanoseconds") set_unit(Unit::Nanoseconds);
    else own.good = own.good && own.unit == "ticks";
    benchmark::AddCustomContext("unit", own.unit);
    return own;
}

/// Stays on the first CPU, and wakes when asked and not up to 50 us later.
void settle() {
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    if (::sched_setaffinity(0, sizeof first, &first) != 0) std::perror("guest_bench: cannot stay on the first CPU");
    ::prctl(PR_SET_TIMERSLACK, 1);
}

int run(std::vector<char*> arguments) {
    const OwnArguments own = take_own(arguments);
    auto count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    benchmark::Initialize(&count, arguments.data());
    if (!own.good || benchmark::ReportUnrecognizedArguments(count, arguments.data())) {
        std::printf("guest_bench: wrong arguments; see bench/guest/README.md\n");
        return 2;
    }
    settle();
    register_exits();
    register_sleep();
    register_processors();
    register_memory();
    GuestReporter reporter(own.unit);
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
    return reporter.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace bulkhead::guest

int main(int count, char** arguments) { return bulkhead::guest::run({arguments, arguments + count}); }
