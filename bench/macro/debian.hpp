// SPDX-License-Identifier: Apache-2.0
// The Google Benchmark program of bench/guest in the same Debian, as Bulkhead's guest and as KVM's, on the same emulated
// machine.
#pragma once

#include "bench/macro/boot.hpp"
#include "tools/bulkhead/bench_figures.hpp"

namespace bulkhead::bench {

/// One system's figures.
struct DebianRun {
    std::string system;
    tool::BenchFigures figures;
};

struct DebianComparison {
    tool::Platform platform;
    std::vector<DebianRun> runs;
    std::vector<std::string> problems;
};

/// `filter` is a regular expression on the benchmarks' names, `peers` are of kvm_peer_names(). Throws Error when the
/// filter matches nothing.
[[nodiscard]] DebianComparison compare_debian(const tool::Layout& layout, tool::Platform platform,
                                              const std::vector<std::string>& peers, const std::string& filter,
                                              const Progress& progress);

/// What one peer's guest printed, out of the rig's lines: the program's output between the markers with `token`. Empty
/// if it did not start; `complete` tells whether it came to its end with status 0.
struct PeerOutput {
    std::string text = {};
    bool complete = false;
};
[[nodiscard]] PeerOutput output_of_peer(const std::vector<std::string>& lines, const std::string& peer, const std::string& token);

[[nodiscard]] std::string debian_markdown(const std::vector<DebianComparison>& comparisons);
[[nodiscard]] std::vector<Figure> debian_figures(const DebianComparison& comparison);

}  // namespace bulkhead::bench
