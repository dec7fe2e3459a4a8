// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/boot.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/macro/exit_names.hpp"
#include "bench/macro/kvm_peers.hpp"
#include "bench/macro/launch_log.hpp"
#include "bench/macro/rig_run.hpp"
#include "tools/bulkhead/guest_files.hpp"
#include "tools/bulkhead/system.hpp"
#include "tools/console/run_log.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::bench {

namespace fs = std::filesystem;
using tool::Platform;

namespace {

constexpr const char* kStamp = "/bulkhead/stamp";
constexpr std::string_view kShellLine = "@shell ";
constexpr std::uint64_t kGuestMemory = tool::mebibytes(kPeerGuestMiB);
constexpr const char* kGuestCommandLine = "console=ttyS0 quiet";
constexpr const char* kTracer = "/sys/kernel/tracing/events/kvm/";

/// Time limits on qemu-svm with counted instructions; slower platforms get a multiple.
constexpr unsigned kBulkheadSeconds = 120;
constexpr unsigned kRigSeconds = 900;

std::chrono::seconds limit(Platform platform, unsigned seconds) {
    return std::chrono::seconds(static_cast<unsigned>(seconds * tool::slowness(platform)));
}

tool::SystemRequest guest_request(const tool::Layout& layout, Platform platform) {
    tool::SystemRequest request;
    request.platform = platform;
    request.time = tool::MachineTime::Counted;
    request.exec_command = kStamp;
    request.exec_programs = {{"stamp", layout.build / "peers" / "stamp"}};
    request.overrides.memory_bytes = kGuestMemory;
    request.overrides.command_line = kGuestCommandLine;
    return request;
}

std::uint64_t to_ticks(std::uint64_t nanoseconds, std::uint64_t khz) {
    return static_cast<std::uint64_t>(static_cast<double>(nanoseconds) * static_cast<double>(khz) / 1e6);
}

/// Bulkhead on the emulated machine itself.
Boot boot_bulkhead(const tool::Layout& layout, Platform platform, std::uint64_t& khz) {
    std::string output;
    const fs::path file = tool::new_log_name(layout.logs(), "boot");
    const auto result = tool::run_system(layout, guest_request(layout, platform), file, limit(platform, kBulkheadSeconds),
                                         [&output](std::string_view text) { output += text; });
    if (!result.problem.empty()) throw tool::Error(result.problem);
    const BootLog log = parse_boot_log(tool::read_file(file));
    const auto shell = number_after(output, kShellLine);
    if (!shell || !log.kernel_ticks || !log.machine_ticks || !log.monitor_ticks || !log.guest_ticks) {
        throw tool::Error("the log of Bulkhead's boot has no complete timeline: " + file.string());
    }
    khz = log.tsc_khz;
    Boot boot{.system = "Bulkhead", .stages = {}, .start_ticks = *log.machine_ticks, .guest_ticks = *log.guest_ticks,
              .shell_ticks = *shell};
    boot.stages = {{"firmware, GRUB", *log.kernel_ticks},    {"kernel, init", *log.machine_ticks},
                   {"making the VM", *log.monitor_ticks},    {"monitor loads Linux", *log.guest_ticks},
                   {"guest to its shell", *shell}};
    boot.idle_ticks = to_ticks(number_after(output, "idle_ns").value_or(0), khz);
    boot.exits = log.exits;
    boot.memory = memory_of_run(log, layout.kernel());
    return boot;
}

constexpr std::pair<const char*, const char*> kHistograms[] = {
    {"kvm_exit", "exit_reason"}, {"kvm_pio", "rw,port"}, {"kvm_msr", "write,ecx"}, {"kvm_userspace_exit", "reason"}};

/// Each peer boots twice: once as it is, for the instructions, and once with the kernel's tracer counting its exits.
std::string rig_script(const std::vector<KvmPeer>& peers) {
    std::string script =
        "mount -t debugfs debugfs /sys/kernel/debug\n"
        "mount -t tracefs tracefs /sys/kernel/tracing\n"
        "boot() {\n"
        "  launch $1 -- $2 \"$(cat /bulkhead/cmdline)\" || echo \"@error the monitor ended with status $? on $1\"\n"
        "}\n";
    std::string with;
    for (const auto& [event, key] : kHistograms) with += fmt::format("--with {}{}/hist ", kTracer, event);
    for (const auto& peer : peers) script += fmt::format("boot {} '{}'\n", peer.name, peer.command);
    for (const auto& [event, key] : kHistograms) script += fmt::format("echo 'hist:keys={}' >{}{}/trigger\n", key, kTracer, event);
    for (const auto& peer : peers) {
        script += fmt::format("launch {}-before {} -- echo @counts\n", peer.name, with);
        script += fmt::format("boot {}-exits '{}'\n", peer.name, peer.command);
        script += fmt::format("launch {}-after {} -- echo @counts\n", peer.name, with);
    }
    return script + "echo " + std::string(kDone) + "\n";
}

std::vector<HistogramRow> histogram(const LaunchLine& line, const std::string& event) {
    const auto found = line.files.find(kTracer + event + "/hist");
    return found == line.files.end() ? std::vector<HistogramRow>{} : parse_histogram(found->second);
}

/// The tracer's counters as they were before and after a boot.
struct TracedBoot {
    const LaunchLine& before;
    const LaunchLine& after;

    [[nodiscard]] std::vector<HistogramRow> rows(const std::string& event) const {
        auto result = histogram(after, event);
        for (const auto& old : histogram(before, event)) {
            for (auto& row : result) row.count -= row.keys == old.keys ? old.count : 0;
        }
        return result;
    }
};

std::uint64_t key_of(const HistogramRow& row, const std::string& name) {
    const auto found = row.keys.find(name);
    return found == row.keys.end() ? 0 : found->second;
}

void add_to(ExitCounts& counts, const std::string& name, std::uint64_t count) {
    for (auto& [known, sum] : counts) {
        if (known == name) {
            sum += count;
            return;
        }
    }
    if (count != 0) counts.emplace_back(name, count);
}

/// Ports and MSRs are split into reads and writes, as Bulkhead counts them.
void read_counts(const TracedBoot& traced, Vendor vendor, Boot& boot) {
    std::map<std::string, std::uint64_t> split;
    for (const auto& row : traced.rows("kvm_pio")) {
        split[key_of(row, "rw") != 0 ? "port write" : "port read"] += row.count;
        const auto port = key_of(row, "port");
        if (port >= 0x3f8 && port < 0x400) add_to(boot.details, "console ports", row.count);
    }
    for (const auto& row : traced.rows("kvm_msr")) {
        split[key_of(row, "write") != 0 ? "msr write" : "msr read"] += row.count;
        const auto index = key_of(row, "ecx");
        if (index == 0x6e0) add_to(boot.details, "TSC-deadline writes", row.count);
        if (index == 0x80b) add_to(boot.details, "EOI writes", row.count);
    }
    for (const auto& row : traced.rows("kvm_exit")) {
        const auto name = exit_name(vendor, key_of(row, "exit_reason"));
        if (name == "port" || name == "msr") {
            for (const char* direction : {" read", " write"}) add_to(boot.exits, name + direction, split[name + direction]);
        } else {
            add_to(boot.exits, name, row.count);
        }
    }
    for (const auto& row : traced.rows("kvm_userspace_exit")) add_to(boot.details, "exits to the monitor", row.count);
}

/// `host_ticks` is when the rig's Linux was ready: peers boot one after the other, and none is to pay for those before.
Boot read_peer(const LaunchLog& log, const KvmPeer& peer, std::uint64_t host_ticks, Vendor vendor, std::uint64_t khz) {
    const Launch* plain = log.find(peer.name);
    const LaunchLine* shell = plain != nullptr ? plain->find(kShellLine) : nullptr;
    if (shell == nullptr) throw tool::Error(fmt::format("KVM's guest did not reach its shell with {}", peer.name));
    const auto offset = shell->counters.find("tsc-offset");
    const auto guest_ticks = number_after(shell->text, kShellLine);
    if (offset == shell->counters.end() || !guest_ticks) throw tool::Error("KVM does not tell the guest's TSC offset");
    Boot boot{.system = peer.title, .stages = {}, .start_ticks = host_ticks};
    // The guest's counter is 0 when KVM makes its processor.
    boot.guest_ticks = static_cast<std::uint64_t>(-offset->second) - plain->start_ticks + host_ticks;
    boot.shell_ticks = *guest_ticks + boot.guest_ticks;
    boot.stages = {{"firmware, GRUB, host's Linux", host_ticks},
                   {"monitor starts", boot.guest_ticks},
                   {"guest to its shell", boot.shell_ticks}};
    boot.idle_ticks = to_ticks(number_after(shell->text, "idle_ns").value_or(0), khz);
    const Launch* before = log.find(peer.name + "-before");
    const Launch* after = log.find(peer.name + "-after");
    if (before != nullptr && after != nullptr && before->find("@counts") != nullptr && after->find("@counts") != nullptr) {
        read_counts({*before->find("@counts"), *after->find("@counts")}, vendor, boot);
    }
    return boot;
}

RigOutput run_peers(const tool::Layout& layout, Platform platform, const std::vector<KvmPeer>& peers, const Progress& progress) {
    const auto request = guest_request(layout, platform);
    tool::build_linux_guest(layout, "cloud");
    const fs::path guest = layout.guests() / "linux-cloud";
    tool::Rig rig;
    rig.platform = platform;
    rig.memory_bytes = kGuestMemory + tool::mebibytes(128);
    rig.time = tool::MachineTime::Counted;
    rig.with_qemu = true;
    rig.script = rig_script(peers);
    rig.files = {{"vmlinuz", tool::read_file(guest / "vmlinuz")},
                 {"initrd", tool::initrd_with_command(tool::read_file(guest / "initrd"), request, tool::random_token())},
                 {"cmdline", kGuestCommandLine}};
    rig.programs = {{"launch", layout.build / "peers" / "launch"}, {"kvm_linux", layout.build / "peers" / "kvm_linux"}};
    return run_rig(layout, rig, tool::new_log_name(layout.logs(), "boot-kvm"), limit(platform, kRigSeconds), progress);
}

}  // namespace

BootComparison compare_boots(const tool::Layout& layout, Platform platform, const std::vector<std::string>& peers,
                             const Progress& progress) {
    BootComparison comparison{.platform = platform, .boots = {}, .problems = {}};
    const auto attempt = [&](const auto& work) {
        try {
            work();
        } catch (const std::exception& error) {
            comparison.problems.emplace_back(error.what());
        }
    };
    std::uint64_t khz = 0;
    progress("booting Debian as Bulkhead's guest");
    attempt([&] { comparison.boots.push_back(boot_bulkhead(layout, platform, khz)); });
    const auto chosen = kvm_peers(peers);
    if (chosen.empty()) return comparison;
    progress("booting Debian as KVM's guest, several times");
    attempt([&] {
        const auto output = run_peers(layout, platform, chosen, [&](std::string_view line) {
            if (line.find(" start ") != std::string_view::npos || line.find(" line ") != std::string_view::npos) progress(line);
        });
        if (!output.problem.empty()) comparison.problems.push_back(output.problem);
        LaunchLog log;
        for (const auto& line : output.lines) log.line(line);
        const auto vendor = platform == Platform::QemuSvm ? Vendor::Amd : Vendor::Intel;
        const Launch* first = log.find(chosen.front().name);
        const std::uint64_t host_ticks = first != nullptr ? first->start_ticks : 0;
        for (const auto& peer : chosen) {
            attempt([&] {
                comparison.boots.push_back(read_peer(log, peer, host_ticks, vendor, khz));
                if (comparison.boots.back().exits.empty()) throw tool::Error("the exits of " + peer.title + " were not counted");
            });
        }
    });
    return comparison;
}

}  // namespace bulkhead::bench
