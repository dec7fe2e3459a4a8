// SPDX-License-Identifier: Apache-2.0
// One benchmark of the target: what it is called, what it is swept over, and the function that runs it once for a
// number of iterations. Each subject is one file with one table; main.cpp lists the tables.
#pragma once

#include <cstdint>
#include <span>

#include "bench/micro/run.hpp"

namespace bulkhead::bench {

/// Which sweep values `./bulkhead test` holds to the committed counts: those up to here.
inline constexpr uint64_t guard_all = ~uint64_t{0};
inline constexpr uint64_t guard_none = ~uint64_t{0} - 1;

struct Benchmark {
    const char* name;
    /// What the argument counts; null for a benchmark without one.
    const char* argument;
    std::span<const uint64_t> values;
    /// How often it is done in one run where counts are exact. With a real clock the host asks for more.
    uint32_t iterations;
    uint64_t guarded_up_to;
    /// One clause for the report: from where to where it is counted.
    const char* about;
    void (*function)(Run& run);
};

/// The sweep of a benchmark without argument.
inline constexpr uint64_t no_sweep[] = {0};

extern const std::span<const Benchmark> call_benchmarks;
extern const std::span<const Benchmark> notification_benchmarks;
extern const std::span<const Benchmark> interrupt_benchmarks;
extern const std::span<const Benchmark> object_benchmarks;
extern const std::span<const Benchmark> memory_benchmarks;
extern const std::span<const Benchmark> paging_benchmarks;
extern const std::span<const Benchmark> schedule_benchmarks;
extern const std::span<const Benchmark> scale_benchmarks;
extern const std::span<const Benchmark> processor_benchmarks;
extern const std::span<const Benchmark> vm_benchmarks;

}  // namespace bulkhead::bench
