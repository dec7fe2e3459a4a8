// SPDX-License-Identifier: Apache-2.0
// How a benchmark inside the guest is timed: by the time-stamp counter, in batches, what the loop and the reading take
// taken off. The counter counts instructions on emulated machines; one tick is then reported as one nanosecond, since
// Google Benchmark knows time only, and the table says what it is.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace bulkhead::guest {

/// What a figure is. The host says so: the guest cannot know what its counter counts.
enum class Unit { Instructions, Nanoseconds, Ticks };

inline uint64_t ticks() {
    uint32_t low = 0;
    uint32_t high = 0;
    asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return uint64_t{high} << 32 | low;
}

/// Ticks against CLOCK_MONOTONIC; measured once.
[[nodiscard]] double ticks_per_ns();
void set_unit(Unit unit);
[[nodiscard]] uint64_t monotonic_ns();

/// Ends a benchmark with what this guest or machine cannot do; that is no error.
void skip(benchmark::State& state, const std::string& reason);

/// What the iterations of one run took.
class Series {
  public:
    explicit Series(benchmark::State& state) : state_{state}, left_{static_cast<uint64_t>(state.max_iterations)} {}

    /// The iterations to do next, all in one go: 0 at the end.
    [[nodiscard]] uint64_t next_batch() const { return std::min(left_, most_in_a_batch); }
    void add_batch(uint64_t iterations, double ticks);
    /// Tells the library.
    void report();

    static constexpr uint64_t most_in_a_batch = 16;

  private:
    benchmark::State& state_;
    uint64_t left_;
    double total_ = 0;
    double least_ = -1;
};

template <typename Operation>
[[gnu::noinline]] uint64_t ticks_of_batch(uint64_t iterations, Operation& operation) {
    const uint64_t start = ticks();
    for (uint64_t i = 0; i < iterations; ++i) operation();
    return ticks() - start;
}

/// Times all iterations of a run.
template <typename Operation>
void measure(benchmark::State& state, Operation operation) {
    auto nothing = [] { asm volatile("" ::: "memory"); };
    Series series(state);
    while (const uint64_t count = series.next_batch()) {
        const uint64_t taken = ticks_of_batch(count, operation);
        const uint64_t around = std::min(ticks_of_batch(count, nothing), ticks_of_batch(count, nothing));
        series.add_batch(count, taken > around ? static_cast<double>(taken - around) : 0);
    }
    series.report();
}

/// For an operation that says itself how many ticks are to be counted.
template <typename Operation>
void measure_each(benchmark::State& state, Operation operation) {
    Series series(state);
    while (series.next_batch() != 0) series.add_batch(1, operation());
    series.report();
}

}  // namespace bulkhead::guest
