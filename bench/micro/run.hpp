// SPDX-License-Identifier: Apache-2.0
// One run of one benchmark: what the host asked for, and what came out. Time is the TSC, which counts instructions on
// the emulated machines; what measuring itself takes is measured too and taken off.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "abi/status.hpp"
#include "base/static_vector.hpp"
#include "runtime/time.hpp"

namespace bulkhead::bench {

using runtime::now_ticks;

/// Ticks of a loop around `function`.
template <typename Function>
[[gnu::noinline]] uint64_t ticks_of_loop(uint64_t iterations, Function& function) {
    const uint64_t start = now_ticks();
    for (uint64_t i = 0; i < iterations; ++i) function();
    return now_ticks() - start;
}

/// Ticks between two readings of the TSC with nothing between them.
uint64_t reading_cost();

/// Stops Bochs, if it runs with its debugger; nothing anywhere else.
inline void magic_breakpoint() { asm volatile("xchg %%bx, %%bx" : : : "memory"); }

struct Counter {
    const char* name;
    uint64_t value;
};

class Run {
  public:
    Run(uint64_t argument, uint64_t iterations, bool traced = false)
        : argument_{argument}, iterations_{iterations}, operations_{iterations}, traced_{traced} {}

    uint64_t argument() const { return argument_; }
    uint64_t iterations() const { return iterations_; }
    /// One iteration more shall run between two magic breakpoints, for Bochs's debugger to trace.
    bool traced() const { return traced_; }

    /// Times all iterations as one loop, less the same loop when it is empty. Three rounds before it are not counted:
    /// the first may fill what later ones find filled.
    template <typename Function>
    void loop(Function function) {
        auto empty = [] { asm volatile("" : : : "memory"); };
        for (int round = 0; round < 3; ++round) function();
        const uint64_t ticks = ticks_of_loop(iterations_, function);
        const uint64_t around = ticks_of_loop(iterations_, empty);
        ticks_ += ticks > around ? ticks - around : 0;
        if (!traced_) return;
        magic_breakpoint();
        function();
        magic_breakpoint();
    }
    /// Times one piece of an iteration; the rest of the iteration is not counted.
    template <typename Function>
    [[gnu::always_inline]] auto timed(Function function) {
        const bool is_last = traced_ && ++timed_ == iterations_;
        if (is_last) magic_breakpoint();
        const uint64_t start = now_ticks();
        auto result = function();
        const uint64_t end = now_ticks();
        if (is_last) magic_breakpoint();
        add_between(start, end);
        return result;
    }
    void add_between(uint64_t start, uint64_t end) {
        const uint64_t ticks = end - start;
        ticks_ += ticks > reading_ ? ticks - reading_ : 0;
    }
    void add(uint64_t ticks) { ticks_ += ticks; }

    /// If an iteration does more than one of what is counted.
    void set_operations(uint64_t operations) { operations_ = operations; }
    void counter(const char* name, uint64_t value) { static_cast<void>(counters_.push_back({name, value})); }
    /// This machine cannot do it.
    void skip(const char* reason) { skip_reason_ = reason; }
    /// It went wrong; the first reason counts.
    void fail(std::string_view what, abi::Status status);
    void fail(std::string_view what);
    bool failed() const { return error_size_ != 0; }

    uint64_t ticks() const { return ticks_; }
    uint64_t operations() const { return operations_; }
    const char* skip_reason() const { return skip_reason_; }
    std::string_view error() const { return {error_, error_size_}; }
    std::span<const Counter> counters() const { return {counters_.begin(), counters_.size()}; }

  private:
    uint64_t argument_;
    uint64_t iterations_;
    uint64_t operations_;
    bool traced_;
    uint64_t timed_ = 0;
    uint64_t ticks_ = 0;
    uint64_t reading_ = reading_cost();
    StaticVector<Counter, 6> counters_;
    const char* skip_reason_ = nullptr;
    char error_[200];
    size_t error_size_ = 0;
};

/// The value of a Result; ends the benchmark function with an error if there is none. A `run` must be in scope.
#define BENCH_NEEDED(expression)                                  \
    __extension__({                                               \
        auto&& needed_ = (expression);                            \
        if (!needed_.ok()) {                                      \
            run.fail(#expression, needed_.error());               \
            return;                                               \
        }                                                         \
        std::move(needed_).value();                               \
    })
/// The same for a Result<void>.
#define BENCH_OK(expression)                                      \
    do {                                                          \
        const auto done_ = (expression);                          \
        if (!done_.ok()) {                                        \
            run.fail(#expression, done_.error());                 \
            return;                                               \
        }                                                         \
    } while (false)

}  // namespace bulkhead::bench
