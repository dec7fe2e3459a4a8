// SPDX-License-Identifier: Apache-2.0
#include "tests/system/framework/test.hpp"

#include <atomic>

#include "base/address.hpp"
#include "runtime/log.hpp"
#include "runtime/mutex.hpp"
#include "runtime/thread.hpp"

extern "C" {
extern const bulkhead::test::TestEntry test_table_start[];
extern const bulkhead::test::TestEntry test_table_end[];
}

namespace bulkhead::test {
namespace {

constexpr uint64_t watchdog_limit_ns = 60 * runtime::ns_per_second;

/// What is known about the running test.
struct Record {
    runtime::Mutex mutex;
    const char* name = nullptr;
    bool failed = false;
    const char* skip_reason = nullptr;
    char why[240];
    size_t why_size = 0;
};
Record record;
std::atomic<uint64_t> started_at{0};
const abi::RootInformation* root_information = nullptr;

std::string_view without_folders(std::string_view file) {
    const size_t slash = file.rfind('/');
    return slash == std::string_view::npos ? file : file.substr(slash + 1);
}

bool run_one(const TestEntry& test) {
    record.name = test.name;
    record.failed = false;
    record.skip_reason = nullptr;
    started_at = runtime::now_ticks();
    test.run();
    started_at = 0;
    if (record.failed) {
        runtime::log("fail {}: {}", test.name, std::string_view{record.why, record.why_size});
    } else if (record.skip_reason != nullptr) {
        runtime::log("skip {}: {}", test.name, record.skip_reason);
    } else {
        runtime::log("pass {}", test.name);
    }
    return !record.failed;
}

/// Ends the run when a test hangs, so that the log says which.
void watch(void* /*unused*/) {
    for (;;) {
        runtime::sleep_for(runtime::ns_per_second);
        const uint64_t start = started_at;
        if (start == 0 || runtime::now_ticks() < start + runtime::ns_to_ticks(watchdog_limit_ns)) continue;
        runtime::log("fail {}: takes longer than a minute; checks so far: {}", record.name,
                     std::string_view{record.why, record.why_size});
        runtime::exit(1);
    }
}

void start_watchdog() {
    runtime::ThreadOptions options;
    options.name = "watchdog";
    auto thread = runtime::Thread::create(options, watch, nullptr);
    if (thread.ok()) static_cast<void>(thread.value().start({.priority = 255}));
}

std::atomic<bool> all_passed{true};
runtime::Notification finished;

/// For work on one test: the boot command line may hold `only=NAME` and `repeat=COUNT`.
std::string_view option(std::string_view key) {
    const std::string_view line{root_information->command_line};
    const size_t start = line.find(key);
    if (start == std::string_view::npos) return {};
    const std::string_view value = line.substr(start + key.size());
    return value.substr(0, value.find(' '));
}

unsigned repetitions() {
    unsigned count = 0;
    for (const char digit : option("repeat=")) count = count * 10 + static_cast<unsigned>(digit - '0');
    return count == 0 ? 1 : count;
}

/// The tests run on a thread of their own, whose priority is known.
void run_all(void* /*unused*/) {
    const std::string_view only = option("only=");
    for (unsigned round = repetitions(); round > 0; --round) {
        for (const TestEntry* test = test_table_start; test != test_table_end; ++test) {
            if (!only.empty() && only != test->name) continue;
            if (!run_one(*test)) all_passed = false;
        }
    }
    runtime::log("done");
    static_cast<void>(finished.signal(1));
}

}  // namespace

int run_tests(const abi::RootInformation& information) {
    root_information = &information;
    runtime::log("plan {}", static_cast<size_t>(test_table_end - test_table_start));
    start_watchdog();
    finished = Notification::create().unwrap("the root task may create");
    runtime::ThreadOptions options;
    options.name = "test";
    runtime::Thread thread = runtime::Thread::create(options, run_all, nullptr).unwrap("there is memory for a thread");
    thread.start({.priority = test_priority}).unwrap("the root task may have any priority");
    static_cast<void>(finished.wait());
    return all_passed ? 0 : 1;
}

const abi::RootInformation& root() { return *root_information; }

bool has_failed() { return record.failed; }

void record_failure(const char* file, unsigned line, std::string_view why) {
    const runtime::MutexLock lock{record.mutex};
    if (record.failed) return;
    record.failed = true;
    record.why_size = runtime::format_into(record.why, "{}:{} {}", without_folders(file), line, why).size();
}

void record_skip(const char* reason) { record.skip_reason = reason; }

}  // namespace bulkhead::test

int bulkhead::root_main(const abi::RootInformation& information) { return test::run_tests(information); }
