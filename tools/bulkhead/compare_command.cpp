// SPDX-License-Identifier: Apache-2.0
// bulkhead compare
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "bench/macro/boot.hpp"
#include "bench/macro/debian.hpp"
#include "bench/macro/guests.hpp"
#include "bench/macro/hosting.hpp"
#include "bench/macro/kvm_peers.hpp"
#include "bench/macro/peers.hpp"
#include "tools/bulkhead/commands.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::tool {

namespace {

struct CompareOptions {
    std::vector<Platform> platforms;
    std::string json;
    std::string markdown;
    std::string svg;
    std::uint64_t rounds = 0;
    unsigned guests = 0;
    std::vector<std::string> peers = bench::kvm_peer_names();
    std::vector<std::string> debian_peers;
    std::string filter;
    bool alone = false;
};

void say(std::string_view text) { std::fprintf(stderr, "bulkhead: %.*s\n", static_cast<int>(text.size()), text.data()); }

/// What the options name, or the first of `possible`; all must be possible and work here.
std::vector<Platform> decide_platforms(const CompareOptions& options, std::vector<Platform> possible, const char* why_those) {
    const auto facts = probe_host();
    auto platforms = options.platforms;
    if (platforms.empty()) platforms = {possible.front()};
    for (const auto platform : platforms) {
        if (std::find(possible.begin(), possible.end(), platform) == possible.end()) {
            throw Error(fmt::format("not on {}: {}", to_string(platform), why_those));
        }
        if (const auto why = why_unusable(platform, facts)) {
            throw Error(fmt::format("{} does not work here: {}", to_string(platform), *why));
        }
    }
    return platforms;
}

/// Runs a comparison on each platform, and writes what was asked for; what failed is said, and the rest kept.
template <typename Compare, typename Markdown, typename Figures>
int run_all(const CompareOptions& options, const std::vector<Platform>& platforms, const char* introduction, Compare compare,
            Markdown markdown, Figures figures_of) {
    std::vector<decltype(compare(Platform::QemuSvm))> comparisons;
    std::vector<bench::Figure> figures;
    std::string names;
    bool complete = true;
    for (const auto platform : platforms) {
        comparisons.push_back(compare(platform));
        for (const auto& problem : comparisons.back().problems) say(problem);
        complete = complete && comparisons.back().problems.empty();
        for (auto& figure : figures_of(comparisons.back())) {
            figure.name = fmt::format("{}/{}", to_string(platform), figure.name);
            figures.push_back(std::move(figure));
        }
        names += (names.empty() ? "" : " ") + std::string(to_string(platform));
        // Rigs are slow, and the next one may fail: what is there is written.
        if (!options.json.empty()) write_file(options.json, bench::google_json(figures, names));
        if (options.markdown.empty()) continue;
        const bool exists = std::filesystem::exists(options.markdown);
        write_file(options.markdown,
                   introduction + bench::merge_sections(exists ? read_file(options.markdown) : "", markdown(comparisons)));
    }
    const std::string text = markdown(comparisons);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return complete ? 0 : 1;
}

const std::vector<Platform> kCounting{Platform::QemuSvm, Platform::BochsVmx};
const std::vector<Platform> kHosted{Platform::NestedSvm, Platform::NestedVmx};

constexpr const char* kBootPage =
    "# The boot of Debian to its shell\n\n"
    "Made by `./bulkhead compare boot --on qemu-svm --on bochs-vmx --markdown docs/reference/boot.md --svg\n"
    "docs/reference/boot`; the pictures are boot-PLATFORM.svg beside this page. The same kernel, initramfs and command\n"
    "line boot as Bulkhead's guest and as guests of Linux's KVM (Debian's cloud kernel with\n"
    "`mitigations=off`) by Debian's QEMU and by a minimal monitor of our own (`bench/peers/kvm_linux.cpp`: no firmware,\n"
    "no PCI, no ACPI), all directly on the same emulated machine with one processor. Figures are ticks of the time-stamp\n"
    "counter, which counts instructions on these machines and goes on while the processor is idle. The VM starts when\n"
    "init begins to make it, or when the monitor's program is started; the shell is the guest's first command. Exits are\n"
    "those from the start to power-off; Bulkhead does not count external interrupts and interrupt windows.\n\n";

constexpr const char* kPeersPage =
    "# Messages and exits beside Linux and others\n\n"
    "Made by `./bulkhead compare peers --on qemu-svm --on bochs-vmx --markdown docs/reference/peers.md`. Bulkhead and\n"
    "Linux (Debian's cloud kernel with `mitigations=off`, one processor, programs of `bench/peers`) run directly on the\n"
    "same emulated machine; the time-stamp counter counts instructions there. Bulkhead's calls are means of 1,000, all\n"
    "else is the least of many rounds. Round trips, where there are two sides. KVM answers CPUID inside the kernel;\n"
    "Bulkhead's exits go to the monitor.\n\n"
    "Columns with * are published figures, not measured here: instructions under QEMU TCG with `-icount`, one CPU, EPYC\n"
    "model (VT-x where it says so), as the project's issue \"Benchmarks\" lists them.\n\n";

constexpr const char* kDebianPage =
    "# Inside a Debian guest, beside KVM's\n\n"
    "Made by `./bulkhead compare debian --on qemu-svm --on bochs-vmx --markdown docs/reference/debian.md`. The Google\n"
    "Benchmark program of `bench/guest` (its README says what each figure counts) runs in the same Debian with the same\n"
    "kernel, initramfs and command line as Bulkhead's guest and as guests of Linux's KVM (Debian's cloud kernel with\n"
    "`mitigations=off`) by QEMU or a minimal monitor of our own (`bench/peers/kvm_linux.cpp`; `--peer` chooses), all\n"
    "directly on the same emulated machine with one processor, whose time-stamp counter counts instructions. The mean has\n"
    "the guest's own timer interrupts in it, the least has not. KVM answers CPUID, hypercalls and MSRs inside the kernel.\n\n";

constexpr const char* kHostingPage =
    "# What hosting costs\n\n"
    "Made by `./bulkhead compare hosting --on nested-svm --on nested-vmx --markdown docs/reference/hosting.md`. Debian's\n"
    "KVM runs Bulkhead, and Linux with KVM and a minimal monitor, each with the same loop guest in it. The figures are\n"
    "exits to the lower KVM per round of a loop, from its tracer: what 2 N rounds cause more than N, divided by N. `call`\n"
    "is a call and reply between two domains; the others are exits of the inner guest. What comes with time (interrupts\n"
    "and timers of the lower machine) is listed and not summed. Bulkhead's `mmio` is that of a test's monitor, which asks\n"
    "for the vCPU's whole state at each nested fault (hence VMREADs and debug registers); the real one asks for less.\n\n";

constexpr const char* kGuestsPage =
    "# Memory of guests\n\n"
    "Made by `./bulkhead compare guests --markdown docs/reference/guests.md`: init says what memory each domain has when\n"
    "it ends. A quota is kernel memory promised to a domain, whether it uses it or not; init splits the kernel's pool (a\n"
    "16th of the machine's RAM, at most 512 MiB). Guests share nothing: no page of a guest's RAM is given to two.\n\n";

int compare_boot(const CompareOptions& options) {
    const auto layout = find_layout();
    const auto platforms = decide_platforms(options, kCounting, "it does not count instructions; there are qemu-svm and bochs-vmx");
    const auto compare = [&](Platform platform) {
        auto comparison = bench::compare_boots(layout, platform, options.alone ? std::vector<std::string>{} : options.peers, say);
        if (!options.svg.empty()) {
            write_file(fmt::format("{}-{}.svg", options.svg, to_string(platform)), bench::timeline_svg(comparison));
        }
        return comparison;
    };
    return run_all(options, platforms, kBootPage, compare, bench::boot_markdown, bench::boot_figures);
}

int compare_debian(const CompareOptions& options) {
    const auto layout = find_layout();
    const auto platforms = decide_platforms(options, kCounting, "it does not count instructions; there are qemu-svm and bochs-vmx");
    // On VT-x the minimal monitor's guest had no shell after six billion instructions; on AMD-V QEMU's has no ports for user space.
    const auto peers_on = [&](Platform platform) -> std::vector<std::string> {
        if (options.alone || !options.debian_peers.empty()) return options.debian_peers;
        return {platform == Platform::BochsVmx ? "q35" : "minimal"};
    };
    return run_all(options, platforms, kDebianPage,
                   [&](Platform platform) { return bench::compare_debian(layout, platform, peers_on(platform), options.filter, say); },
                   bench::debian_markdown, bench::debian_figures);
}

int compare_peers(const CompareOptions& options) {
    const auto layout = find_layout();
    const auto platforms = decide_platforms(options, kCounting, "it does not count instructions; there are qemu-svm and bochs-vmx");
    return run_all(options, platforms, kPeersPage,
                   [&](Platform platform) { return bench::compare_peers(layout, platform, say); }, bench::peers_markdown,
                   bench::peer_figures);
}

int compare_guests(const CompareOptions& options) {
    const auto layout = find_layout();
    const auto platforms = decide_platforms(options, {Platform::QemuSvm, Platform::BochsVmx, Platform::Kvm},
                                            "memory is measured on the machine itself: qemu-svm, bochs-vmx or kvm");
    return run_all(options, platforms, kGuestsPage,
                   [&](Platform platform) { return bench::measure_guests(layout, platform, options.guests, say); },
                   bench::guests_markdown, bench::guests_figures);
}

int compare_hosting(const CompareOptions& options) {
    const auto layout = find_layout();
    const auto platforms = decide_platforms(options, kHosted, "nothing hosts Bulkhead there; there are nested-svm and nested-vmx");
    const std::uint64_t rounds = options.rounds;
    return run_all(options, platforms, kHostingPage,
                   [&](Platform platform) { return bench::compare_hosting(layout, platform, rounds, say); },
                   bench::hosting_markdown, bench::hosting_figures);
}

CLI::App* add_comparison(CLI::App& parent, const char* name, const char* text, const std::shared_ptr<CompareOptions>& options,
                         int (*run)(const CompareOptions&), Action& action) {
    auto* command = parent.add_subcommand(name, text);
    command->add_option("--on", options->platforms, "platform; may be repeated")
        ->transform(platform_name())
        ->option_text("PLATFORM");
    command->add_option("--json", options->json, "write the figures as Google Benchmark's JSON");
    command->add_option("--markdown", options->markdown, "write the tables as a page in Markdown; other platforms' sections in it stay");
    command->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
    return command;
}

}  // namespace

void add_compare_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("compare", "figures beside Linux and KVM on the same emulated machine");
    command->require_subcommand(1);
    const auto options = std::make_shared<CompareOptions>();
    auto* boot = add_comparison(*command, "boot", "Debian to its shell: instructions, exits by reason, memory", options,
                                compare_boot, action);
    boot->add_option("--svg", options->svg, "write the timelines to FILE-PLATFORM.svg");
    auto* debian = add_comparison(*command, "debian", "benchmarks inside a Debian guest, beside the same in KVM's guests", options,
                                  compare_debian, action);
    debian->add_option("--filter", options->filter, "only benchmarks whose name matches this regular expression");
    const auto add_peers = [&](CLI::App& to, std::vector<std::string>& peers, const char* usual) {
        to.add_option("--peer", peers, fmt::format("KVM's monitor: q35, minimal, microvm (default: {}); may be repeated", usual))
            ->check(CLI::IsMember(bench::kvm_peer_names()));
        to.add_flag("--alone", options->alone, "Bulkhead only");
    };
    add_peers(*boot, options->peers, "all");
    add_peers(*debian, options->debian_peers, "minimal on qemu-svm, q35 on bochs-vmx");
    auto* guests = add_comparison(*command, "guests", "memory of each domain, and how many guests fit", options,
                                  compare_guests, action);
    guests->add_option("--count", options->guests, "guests to start")->check(CLI::Range(1, 8))->default_val(8);
    add_comparison(*command, "peers", "messages and exits beside Linux's", options, compare_peers, action);
    auto* hosting = add_comparison(*command, "hosting", "exits to the hypervisor below, per exit and per message", options,
                                   compare_hosting, action);
    hosting->add_option("--rounds", options->rounds, "of each loop")->check(CLI::Range(10, 100000))->default_val(200);
}

}  // namespace bulkhead::tool
