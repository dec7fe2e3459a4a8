// SPDX-License-Identifier: Apache-2.0
// The frame of system tests: a program that the kernel starts as the root task, made of `SYSTEM_TEST(name) { ... }`.
// Names stand in section .bulkhead_tests, where the host's runner finds them before the run, and it fails every name
// that the run does not report. Output goes to the kernel's log: `plan N`, `pass NAME`, `fail NAME: file:line why`,
// `skip NAME: reason`, `done`.
//
// A check that fails is remembered (the first one is reported) and the test goes on, unless the macro says that it
// returns. Checks may be made on any thread of the program.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>

#include "abi/calls.hpp"
#include "abi/layout.hpp"
#include "runtime/format.hpp"
#include "runtime/message.hpp"
#include "runtime/object.hpp"
#include "runtime/program.hpp"
#include "runtime/time.hpp"

namespace bulkhead::test {

using abi::Selector;
using abi::Status;
using runtime::call;
using runtime::invoke;
using runtime::Memory;
using runtime::Notification;
using runtime::ns_per_ms;
using runtime::ns_per_us;
using runtime::self;

struct TestEntry {
    const char* name;
    void (*run)();
};

/// Remembers a failed check of the running test.
void record_failure(const char* file, unsigned line, std::string_view why);
void record_skip(const char* reason);
/// Whether a check of the running test has failed.
bool has_failed();

/// Priority of the thread that runs the tests, and two on either side of it.
inline constexpr uint8_t low_priority = 10;
inline constexpr uint8_t test_priority = 100;
inline constexpr uint8_t high_priority = 200;

int run_tests(const abi::RootInformation& information);

/// What the root task was given.
const abi::RootInformation& root();

/// How long anything that should happen at once may take, in ticks from now. Emulators are slow, and share the host.
inline uint64_t soon() { return runtime::deadline_in(3000 * ns_per_ms); }
/// A short while: to see that something does not happen.
inline uint64_t shortly() { return runtime::deadline_in(5 * ns_per_ms); }

template <typename Left, typename Right>
void expect_equal(const Left& left, const Right& right, const char* text, const char* file, unsigned line) {
    if constexpr (std::integral<Left> && std::integral<Right> && !std::same_as<Left, bool> &&
                  !std::same_as<Right, bool>) {
        if (std::cmp_equal(left, right)) return;
    } else {
        if (left == right) return;
    }
    char why[200];
    record_failure(file, line, runtime::format_into(why, "{}: {} ({x}), not {} ({x})", text, left, left, right, right));
}

/// The status of a result of any type.
template <typename R>
Status status_of(const R& result) {
    return result.ok() ? Status::Ok : result.error();
}

inline void expect_status(Status is, Status wanted, const char* text, const char* file, unsigned line) {
    if (is == wanted) return;
    char why[200];
    record_failure(file, line, runtime::format_into(why, "{}: {}, not {}", text, is, wanted));
}

#define SYSTEM_TEST(name)                                                                                           \
    static void test_##name();                                                                                      \
    [[gnu::section(".bulkhead_tests"), gnu::used, gnu::aligned(1)]] static const char test_name_##name[] = #name;   \
    [[gnu::section(".bulkhead_test_table"), gnu::used]] static const ::bulkhead::test::TestEntry test_entry_##name{ \
        test_name_##name, &test_##name};                                                                            \
    static void test_##name()

#define EXPECT(condition)                                                                               \
    do {                                                                                                \
        if (!(condition)) ::bulkhead::test::record_failure(__FILE__, __LINE__, #condition " is false"); \
    } while (false)

#define EXPECT_EQ(is, wanted) ::bulkhead::test::expect_equal((is), (wanted), #is, __FILE__, __LINE__)

/// The expression is a Result; its status must be the one given.
#define EXPECT_STATUS(expression, wanted) \
    ::bulkhead::test::expect_status(::bulkhead::test::status_of(expression), (wanted), #expression, __FILE__, __LINE__)
#define EXPECT_OK(expression) EXPECT_STATUS(expression, ::bulkhead::abi::Status::Ok)

/// As EXPECT, but ends the test when it fails.
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            ::bulkhead::test::record_failure(__FILE__, __LINE__, #condition " is false; gave up"); \
            return;                                                                                \
        }                                                                                          \
    } while (false)

/// The value of a Result; ends the test if there is none.
#define NEEDED(expression)                                                                                       \
    __extension__({                                                                                              \
        auto&& needed_ = (expression);                                                                           \
        if (!needed_.ok()) {                                                                                     \
            ::bulkhead::test::expect_status(needed_.error(), ::bulkhead::abi::Status::Ok, #expression, __FILE__, \
                                            __LINE__);                                                           \
            return;                                                                                              \
        }                                                                                                        \
        std::move(needed_).value();                                                                              \
    })

#define SKIP(reason)                           \
    do {                                       \
        ::bulkhead::test::record_skip(reason); \
        return;                                \
    } while (false)

}  // namespace bulkhead::test
