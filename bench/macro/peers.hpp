// SPDX-License-Identifier: Apache-2.0
// What messages and exits cost beside Linux and KVM on the same emulated machine, and beside published figures.
#pragma once

#include "bench/macro/boot.hpp"

namespace bulkhead::bench {

/// One operation's figures.
struct PeerFigure {
    std::string name;
    std::uint64_t least = 0;
    std::uint64_t median = 0;
    std::uint64_t rounds = 0;
};

struct PeerComparison {
    tool::Platform platform;
    std::vector<PeerFigure> bulkhead;
    std::vector<PeerFigure> linux_kvm;
    std::vector<std::string> problems;
};

/// "@figure NAME: least 12 median 13 rounds 400", as the programs of bench/peers print it.
[[nodiscard]] std::optional<PeerFigure> parse_peer_figure(std::string_view line);

[[nodiscard]] PeerComparison compare_peers(const tool::Layout& layout, tool::Platform platform, const Progress& progress);
[[nodiscard]] std::string peers_markdown(const std::vector<PeerComparison>& comparisons);
[[nodiscard]] std::vector<Figure> peer_figures(const PeerComparison& comparison);

}  // namespace bulkhead::bench
