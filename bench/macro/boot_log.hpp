// SPDX-License-Identifier: Apache-2.0
// What Bulkhead's own log says about a boot: the timeline, exits, memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::bench {

/// Counts of exits by reason, in the order they were printed.
using ExitCounts = std::vector<std::pair<std::string, std::uint64_t>>;

/// Memory of one domain.
struct MemoryUse {
    std::string name;
    std::uint64_t own_kib = 0;       ///< RAM init gave it: image, heap, state; a guest's device state
    std::uint64_t guest_ram_kib = 0;
    std::uint64_t kernel_pages = 0;  ///< of its quota, used
    std::uint64_t quota_pages = 0;
};

/// Times are ticks of the time-stamp counter, which starts at power-on.
struct BootLog {
    std::optional<std::uint64_t> kernel_ticks = {};
    std::optional<std::uint64_t> machine_ticks = {};  ///< init begins to make the virtual machine
    std::optional<std::uint64_t> monitor_ticks = {};
    std::optional<std::uint64_t> guest_ticks = {};    ///< the guest's kernel is loaded and about to start
    std::uint64_t tsc_khz = 0;
    ExitCounts exits = {};                            ///< of all vCPUs, to the end of the guest
    std::vector<MemoryUse> memory = {};
    std::uint64_t kernel_pool_mib = 0;
    std::uint64_t init_pages = 0;                     ///< of that pool, given to init to split

    /// What the kernel has for itself, in its pool; the log tells the pool in MiB.
    [[nodiscard]] std::uint64_t kernel_own_kib() const {
        const std::uint64_t pool_kib = kernel_pool_mib << 10;
        return pool_kib > init_pages * 4 ? pool_kib - init_pages * 4 : 0;
    }
};

[[nodiscard]] BootLog parse_boot_log(std::string_view log);

}  // namespace bulkhead::bench
