// SPDX-License-Identifier: Apache-2.0
// The boot of Debian to its shell: as Bulkhead's guest, and beside it the same kernel, initramfs and command line as a
// guest of Linux's KVM, on the same emulated machine. Time is the time-stamp counter, which counts instructions there
// (and goes on while the processor is idle: idle time is told apart).
#pragma once

#include <chrono>
#include <functional>

#include "bench/macro/boot_log.hpp"
#include "bench/macro/figure.hpp"
#include "tools/machine/layout.hpp"
#include "tools/machine/platform.hpp"

namespace bulkhead::bench {

/// One system's boot of the guest. Ticks since power-on.
struct Boot {
    std::string system;                                         ///< "Bulkhead", "KVM, QEMU q35"
    std::vector<std::pair<std::string, std::uint64_t>> stages;  ///< name of what ends there, and when
    std::uint64_t start_ticks = 0;                              ///< someone begins to make the virtual machine
    std::uint64_t guest_ticks = 0;                              ///< the guest's processor can run: firmware or Linux
    std::uint64_t shell_ticks = 0;                              ///< the guest's first command runs
    std::uint64_t idle_ticks = 0;                               ///< of that, the guest was idle
    ExitCounts exits = {};
    ExitCounts details = {};                                    ///< parts of exits: ports, MSRs, exits to user space
    std::vector<MemoryUse> memory = {};
};

/// Both sides on one platform. A side that failed is missing and has its sentence in `problems`.
struct BootComparison {
    tool::Platform platform;
    std::vector<Boot> boots;
    std::vector<std::string> problems;
};

/// Memory of a run: the kernel (its image, and what it has for itself in its pool), then each domain.
[[nodiscard]] std::vector<MemoryUse> memory_of_run(const BootLog& log, const std::filesystem::path& kernel);
[[nodiscard]] MarkdownTable memory_table(const std::vector<MemoryUse>& memory);

using Progress = std::function<void(std::string_view)>;

/// Runs the boots; `platform` is qemu-svm or bochs-vmx, `peers` are of kvm_peer_names().
[[nodiscard]] BootComparison compare_boots(const tool::Layout& layout, tool::Platform platform,
                                           const std::vector<std::string>& peers, const Progress& progress);

[[nodiscard]] std::string boot_markdown(const std::vector<BootComparison>& comparisons);
[[nodiscard]] std::vector<Figure> boot_figures(const BootComparison& comparison);

/// The stages of all boots of one platform as bars of an SVG picture.
[[nodiscard]] std::string timeline_svg(const BootComparison& comparison);

}  // namespace bulkhead::bench
