// SPDX-License-Identifier: Apache-2.0
#include "bench/guest/measure.hpp"

#include <ctime>

namespace bulkhead::guest {

namespace {

Unit unit_of_figures = Unit::Ticks;
constexpr uint64_t kCalibrationNs = 5'000'000;

double calibrate() {
    const uint64_t start_ns = monotonic_ns();
    const uint64_t start = ticks();
    uint64_t now_ns = start_ns;
    while (now_ns - start_ns < kCalibrationNs) now_ns = monotonic_ns();
    return static_cast<double>(ticks() - start) / static_cast<double>(now_ns - start_ns);
}

}  // namespace

uint64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

double ticks_per_ns() {
    static const double rate = calibrate();
    return rate;
}

void set_unit(Unit unit) { unit_of_figures = unit; }

void skip(benchmark::State& state, const std::string& reason) { state.SkipWithError(("skipped: " + reason).c_str()); }

void Series::add_batch(uint64_t iterations, double ticks) {
    left_ -= iterations;
    total_ += ticks;
    const double each = ticks / static_cast<double>(iterations);
    // The least is what no interrupt of the guest disturbed.
    if (least_ < 0 || each < least_) least_ = each;
}

void Series::report() {
    const double value = unit_of_figures == Unit::Nanoseconds ? 1 / ticks_per_ns() : 1;
    bool first = true;
    for ([[maybe_unused]] auto _ : state_) {
        state_.SetIterationTime(first ? total_ * value * 1e-9 : 0);
        first = false;
    }
    state_.counters["least"] = least_ * value;
    if (unit_of_figures == Unit::Instructions) state_.counters["instructions"] = total_ / static_cast<double>(state_.max_iterations);
}

}  // namespace bulkhead::guest
