// SPDX-License-Identifier: Apache-2.0
// What hosting costs: how often the hypervisor below is entered for each exit of an inner guest, and for each message,
// by its own tracer. Below is Debian's KVM; on it run Bulkhead, and Linux with KVM, each with the same loop guest.
#pragma once

#include "bench/macro/boot.hpp"

namespace bulkhead::bench {

/// Exits below per round of one loop, by reason.
struct HostingLoop {
    std::string system;
    std::string loop;
    std::uint64_t rounds = 0;
    std::map<std::string, double> per_round = {};

    /// Without what time brings along: interrupts and timers of the machine below.
    [[nodiscard]] double caused() const;
};

struct HostingComparison {
    tool::Platform platform;  ///< nested-svm or nested-vmx
    std::vector<HostingLoop> loops;
    std::vector<std::string> problems;
};

[[nodiscard]] HostingComparison compare_hosting(const tool::Layout& layout, tool::Platform platform, std::uint64_t rounds,
                                                const Progress& progress);
[[nodiscard]] std::string hosting_markdown(const std::vector<HostingComparison>& comparisons);
[[nodiscard]] std::vector<Figure> hosting_figures(const HostingComparison& comparison);

}  // namespace bulkhead::bench
