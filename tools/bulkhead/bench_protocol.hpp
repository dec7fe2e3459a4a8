// SPDX-License-Identifier: Apache-2.0
// What the benchmark target says (bench/micro/main.cpp), line by line. Lines that do not begin with `bench ` are the
// kernel's. The target is a program under test: what it says is checked, and nonsense is recognised as such.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bulkhead::tool {

/// `bench ready VERSION tsc_hz=N cpus=N vendor=N virtualization=N`
struct BenchReady {
    std::uint64_t version = 0;
    std::uint64_t tsc_hz = 0;
    std::uint64_t cpus = 0;
    std::uint64_t vendor = 0;          ///< abi::ProcessorVendor
    std::uint64_t virtualization = 0;  ///< abi::Virtualization
};

/// `bench item NAME iterations=N values=N,N,... [argument=WORD] [guarded=N] about=TEXT`
struct BenchItem {
    std::string name;
    std::string argument = {};  ///< what the values count; empty if there is but one run
    std::vector<std::uint64_t> values = {};
    std::uint64_t iterations = 0;
    std::optional<std::uint64_t> guarded_up_to = {};
    std::string about = {};

    [[nodiscard]] bool guarded(std::uint64_t value) const { return guarded_up_to && value <= *guarded_up_to; }
    /// The name of one run: NAME, or NAME/ARGUMENT:VALUE as Google Benchmark makes it.
    [[nodiscard]] std::string run_name(std::uint64_t value) const;
};

struct BenchEnd {};

/// `bench result NAME ARG operations=N ticks=N [COUNTER=N ...]`
struct BenchResult {
    std::string name;
    std::uint64_t argument = 0;
    std::uint64_t operations = 0;
    std::uint64_t ticks = 0;
    std::vector<std::pair<std::string, std::uint64_t>> counters = {};
};

/// `bench skip NAME ARG REASON`
struct BenchSkip {
    std::string name;
    std::uint64_t argument = 0;
    std::string reason = {};
};

/// `bench error NAME ARG WHY`, and `bench fatal WHY` with no name.
struct BenchError {
    std::string name;
    std::uint64_t argument = 0;
    std::string why = {};
};

/// A line that begins like one of the target's and is none.
struct BenchNonsense {
    std::string text;
};

using BenchLine =
    std::variant<std::monostate, BenchReady, BenchItem, BenchEnd, BenchResult, BenchSkip, BenchError, BenchNonsense>;

/// One line without its end; std::monostate is somebody else's line.
[[nodiscard]] BenchLine parse_bench_line(std::string_view line);

}  // namespace bulkhead::tool
