// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/guests.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/macro/launch_log.hpp"
#include "protocol/manifest.hpp"
#include "tools/bulkhead/guest_files.hpp"
#include "tools/bulkhead/system.hpp"
#include "tools/console/run_log.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::bench {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kGuestMib = 128;
constexpr std::uint64_t kMachineExtraMib = 256;
/// The kernel's pool, a 16th of RAM, must hold what is promised to a guest and its monitor by default.
constexpr std::uint64_t kPromisedMib = 13;
constexpr unsigned kSecondsPerGuest = 60;

// The machine the bounds are computed for.
constexpr std::uint64_t kLargeMib = 8192;
constexpr std::uint64_t kPoolMib = std::min<std::uint64_t>(kLargeMib / 16, 512);  // docs/limits.md
constexpr std::uint64_t kPageKib = 4;

/// The default system's driver and console, and `count` guests that run one command and power off.
std::string manifest(const tool::Layout& layout, unsigned count, const fs::path& initrd) {
    std::string text = tool::read_file(tool::default_manifest(layout));
    text.erase(text.find("[vm.linux]"));
    for (unsigned index = 0; index < count; ++index) {
        text += fmt::format(
            "[vm.guest{}]\nmemory = \"{}M\"\nvcpus = 1\nkernel = \"linux-cloud/vmlinuz\"\ninitrd = \"{}\"\n"
            "cmdline = \"console=ttyS0 quiet\"\n\n",
            index, kGuestMib, initrd.string());
    }
    return text;
}

unsigned count_of(std::string_view text, std::string_view word) {
    unsigned count = 0;
    for (auto place = text.find(word); place != std::string_view::npos; place = text.find(word, place + 1)) ++count;
    return count;
}

}  // namespace

GuestCost cost_of_guest(const std::vector<MemoryUse>& memory) {
    GuestCost machine;
    GuestCost monitor;
    for (const auto& use : memory) {
        GuestCost* which = use.name.starts_with("vm ") ? &machine : use.name.starts_with("vmm:") ? &monitor : nullptr;
        if (which == nullptr) continue;
        which->own_kib = std::max(which->own_kib, use.own_kib);
        which->used_pages = std::max(which->used_pages, use.kernel_pages);
        which->quota_pages = std::max(which->quota_pages, use.quota_pages);
    }
    return {machine.own_kib + monitor.own_kib, machine.used_pages + monitor.used_pages, machine.quota_pages + monitor.quota_pages};
}

GuestsMeasurement measure_guests(const tool::Layout& layout, tool::Platform platform, unsigned count, const Progress& progress) {
    GuestsMeasurement result{.platform = platform, .started = count, .guest_ram_kib = kGuestMib << 10};
    try {
        const tool::TemporaryDirectory work;
        tool::build_linux_guest(layout, "cloud");
        tool::SystemRequest request;
        request.platform = platform;
        request.exec_command = "true";
        tool::write_file(work.path() / "initrd", tool::initrd_with_command(tool::read_file(layout.guests() / "linux-cloud" / "initrd"),
                                                                     request, tool::random_token()));
        tool::write_file(work.path() / "system.toml", manifest(layout, count, work.path() / "initrd"));
        request.exec_command.reset();
        request.manifest = work.path() / "system.toml";
        request.overrides.machine_memory_bytes = 
            tool::mebibytes(std::max(count * (kGuestMib + 16) + kMachineExtraMib, 16 * (count + 1) * kPromisedMib));
        const fs::path file = tool::new_log_name(layout.logs(), "guests");
        progress(fmt::format("booting {} guests", count));
        const auto limit = std::chrono::seconds(static_cast<unsigned>(kSecondsPerGuest * (count + 1) * tool::slowness(platform)));
        const auto ended = tool::run_system(layout, request, file, limit, [](std::string_view) {});
        const std::string log = tool::read_file(file);
        const BootLog parsed = parse_boot_log(log);
        result.memory = memory_of_run(parsed, layout.kernel());
        result.reached_shell = count_of(log, " begin>");
        if (!ended.problem.empty()) result.problems.push_back(ended.problem);
        if (result.reached_shell != count) {
            result.problems.push_back(fmt::format("{} of {} guests reached their shell; log: {}", result.reached_shell, count, file.string()));
        }
    } catch (const std::exception& error) {
        result.problems.emplace_back(error.what());
    }
    return result;
}

std::string guests_markdown(const std::vector<GuestsMeasurement>& measurements) {
    std::string text;
    for (const auto& measurement : measurements) {
        text += fmt::format("## {}\n\n", to_string(measurement.platform));
        for (const auto& problem : measurement.problems) text += fmt::format("Not complete: {}\n\n", problem.substr(0, problem.find("; log: ")));
        if (measurement.memory.empty()) continue;
        text += fmt::format("{} guests of {} MiB were started, {} reached their shell.\n\n", measurement.started,
                            measurement.guest_ram_kib >> 10, measurement.reached_shell);
        text += memory_table(measurement.memory).text() + "\n";
        const GuestCost cost = cost_of_guest(measurement.memory);
        MarkdownTable bounds({fmt::format("computed: guests in {} GiB", kLargeMib >> 10), "128 MiB each", "256 MiB each", "512 MiB each"});
        std::vector<std::string> by_ram{"by RAM: the guest's, and what else it needs"};
        std::vector<std::string> by_quota{"by the kernel's pool, with the default quotas"};
        std::vector<std::string> by_use{"by the kernel's pool, with quotas as used"};
        for (const std::uint64_t mib : {128, 256, 512}) {
            by_ram.push_back(grouped(((kLargeMib - kPoolMib) << 10) / ((mib << 10) + cost.own_kib)));
            by_quota.push_back(grouped((kPoolMib << 10) / (std::max<std::uint64_t>(cost.quota_pages, 1) * kPageKib)));
            by_use.push_back(grouped((kPoolMib << 10) / (std::max<std::uint64_t>(cost.used_pages, 1) * kPageKib)));
        }
        const std::string vms = std::to_string(protocol::ManifestLimit::vms);
        bounds.add(by_ram);
        bounds.add(by_quota);
        bounds.add(by_use);
        bounds.add({"by the manifest", vms, vms, vms});
        text += bounds.text() + "\n";
    }
    return text;
}

std::vector<Figure> guests_figures(const GuestsMeasurement& measurement) {
    const GuestCost cost = cost_of_guest(measurement.memory);
    return {{.name = "guests/memory per guest beside its RAM", .value = static_cast<double>(cost.own_kib + cost.used_pages * kPageKib),
             .unit = "KiB", .iterations = measurement.started,
             .counters = {{"kernel_kib", static_cast<double>(cost.used_pages * kPageKib)},
                          {"quota_kib", static_cast<double>(cost.quota_pages * kPageKib)},
                          {"reached_shell", static_cast<double>(measurement.reached_shell)}}}};
}

}  // namespace bulkhead::bench
