// SPDX-License-Identifier: Apache-2.0
// What a guest costs in memory, from a run with as many guests as a manifest may have, and how many of them a machine
// holds by each of the bounds.
#pragma once

#include "bench/macro/boot.hpp"

namespace bulkhead::bench {

struct GuestsMeasurement {
    tool::Platform platform;
    unsigned started = 0;                     ///< guests in the manifest
    unsigned reached_shell = 0;
    std::uint64_t guest_ram_kib = 0;          ///< of each
    std::vector<MemoryUse> memory = {};
    std::vector<std::string> problems = {};
};

/// The largest use of memory per guest, monitor and virtual machine together.
struct GuestCost {
    std::uint64_t own_kib = 0;       ///< beside the guest's RAM
    std::uint64_t used_pages = 0;    ///< kernel memory
    std::uint64_t quota_pages = 0;   ///< kernel memory promised
};
[[nodiscard]] GuestCost cost_of_guest(const std::vector<MemoryUse>& memory);

[[nodiscard]] GuestsMeasurement measure_guests(const tool::Layout& layout, tool::Platform platform, unsigned count,
                                               const Progress& progress);
[[nodiscard]] std::string guests_markdown(const std::vector<GuestsMeasurement>& measurements);
[[nodiscard]] std::vector<Figure> guests_figures(const GuestsMeasurement& measurement);

}  // namespace bulkhead::bench
