// SPDX-License-Identifier: Apache-2.0
// bulkhead bench
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "protocol/vm.hpp"
#include "tools/bulkhead/bench_report.hpp"
#include "tools/bulkhead/bench_guard.hpp"
#include "tools/bulkhead/bench_guest.hpp"
#include "tools/bulkhead/bench_run.hpp"
#include "tools/bulkhead/bench_trace.hpp"
#include "tools/bulkhead/commands.hpp"
#include "tools/debug/symbolize.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::tool {

namespace {

namespace fs = std::filesystem;

/// Bochs's processor with AMD-V. It saves the next RIP, which QEMU's does not.
constexpr const char* kBochsAmd = "zambezi";

struct BenchOptions {
    std::optional<Platform> platform;
    BenchSelection selection;
    std::string json;
    std::string compare;
    std::string report;
    std::string machine_memory;
    unsigned cpus = 1;
    unsigned timeout_s = 180;
    std::optional<double> minimum_time_s;
    std::string trace;
    std::string vendor = "intel";
    std::string guest;
    bool list = false;
    bool write_baseline = false;
};

Platform decide(const std::optional<Platform>& asked) {
    const auto facts = probe_host();
    const auto platform = asked.value_or(choose_platform(facts).platform);
    if (const auto why = why_unusable(platform, facts)) {
        throw Error(fmt::format("{} does not work here: {}", to_string(platform), *why));
    }
    return platform;
}

/// The machine's name in a report: with several CPUs it is another one.
std::string machine_name(const BenchOptions& options, Platform platform, std::string_view separator) {
    return options.cpus == 1 ? std::string(to_string(platform)) : fmt::format("{}{}{}{}CPUs", to_string(platform), separator, options.cpus, separator);
}

/// What is known about where the figures come from; it goes into the JSON and the report.
std::map<std::string, std::string> context_of(const BenchOptions& options, Platform platform, const BenchTarget& target) {
    const auto layout = find_layout();
    return {{"platform", machine_name(options, platform, " ")},
            {"unit", std::string(to_string(target.unit()))},
            {"machine", describe_machine(platform, options.cpus, target.ready())},
            {"commit", describe_commit(layout)}};
}

int list_benchmarks(BenchTarget& target) {
    for (const auto& item : target.list()) {
        std::string values;
        for (const auto value : item.values) values += fmt::format(" {}", value);
        fmt::print("{}{}\n    {}\n", item.name, item.argument.empty() ? "" : fmt::format(", {}:{}", item.argument, values),
                   item.about);
    }
    target.halt();
    return 0;
}

/// What the expression names, one boot each: a trace ends the machine.
int trace(const Layout& layout, BenchMachine machine, const BenchOptions& options) {
    if (machine.platform != Platform::BochsVmx) throw Error("--trace needs Bochs's debugger: --on bochs-vmx");
    machine.traced = true;
    if (options.vendor == "amd") machine.cpu_model = kBochsAmd;
    auto target = std::make_unique<BenchTarget>(layout, machine);
    const auto items = target->list();
    const auto selected = select_items(items, options.trace);
    std::vector<TracedRun> traced;
    if (selected.empty()) throw Error(fmt::format("no benchmark matches '{}'; --list names them", options.trace));
    constexpr std::uint64_t warm_up = 3;
    bool all_traced = true;
    for (const auto& item : selected) {
        for (const auto value : item.values) {
            if (!target) target = std::make_unique<BenchTarget>(layout, machine);
            std::vector<TracedInstruction> instructions;
            try {
                instructions = parse_trace(target->trace(item.name, value, warm_up));
            } catch (const Error& error) {
                fmt::print(stderr, "bulkhead: {}\n", error.what());
                all_traced = false;
            }
            target.reset();
            if (instructions.empty()) continue;
            fmt::print("{}: {}\n", item.run_name(value), describe_trace(layout, instructions));
            std::fflush(stdout);
            traced.push_back({item.run_name(value) + (options.vendor == "amd" ? ", AMD-V" : ""), total(instructions)});
        }
    }
    if (!options.report.empty()) write_traces_report(options.report, traced, items);
    return all_traced ? 0 : 1;
}

/// Figures of another kind cannot be compared with, and this is known before anything is measured.
void check_units(const std::optional<BenchFigures>& before, BenchUnit unit) {
    if (!before || before->text("unit") == to_string(unit)) return;
    throw Error(fmt::format("--compare: the figures there are {}, here they would be {}", before->text("unit"), to_string(unit)));
}

/// The program inside Debian: its own table goes through as it is.
int run_in_guest(const BenchOptions& options, const Layout& layout, const std::optional<BenchFigures>& before) {
    const auto names = list_guest_bench(layout, options.selection.filter);
    if (options.list) {
        for (const auto& name : names) fmt::print("{}\n", name.shown);
        return 0;
    }
    const auto platform = decide(options.platform);
    if (options.cpus > protocol::max_vcpus) throw Error(fmt::format("--cpus {}: a guest has at most {}", options.cpus, protocol::max_vcpus));
    const GuestBench bench{.platform = platform,
                           .cpus = options.cpus,
                           .filter = options.selection.filter,
                           .repetitions = options.selection.repetitions,
                           .minimum_time_s = options.minimum_time_s,
                           .limit = std::chrono::seconds(static_cast<unsigned>(options.timeout_s * slowness(platform))),
                           .log = new_log_name(layout.logs(), "bench-guest")};
    const auto unit = bench_unit(platform, options.cpus);
    check_units(before, unit);
    fmt::print("platform: {}\nguest: Debian, {} CPU(s)\nunit: {}\n", to_string(platform), options.cpus, to_string(unit));
    if (unit == BenchUnit::Instructions) fmt::print("figures are instructions executed, the guest's and all below; they are not time\n");
    std::fflush(stdout);
    const auto result = run_guest_bench(layout, bench, [](std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
    });
    if (!result.exits.empty()) fmt::print("\nexits of the whole guest, its boot included, and those of them the kernel absorbed:\n");
    for (const auto& line : result.exits) fmt::print("  {}\n", line);
    if (!options.json.empty() && !result.json.empty()) write_file(options.json, result.json);
    if (before && !result.json.empty()) {
        fmt::print("\n{}", compare_bench_figures(*before, parse_bench_figures(result.json, "the figures of this run")));
    }
    if (result.problem.empty() && result.status == 0) return 0;
    fmt::print(stderr, "bulkhead: {}\nbulkhead: log: {}\n",
               result.problem.empty() ? "benchmarks failed in the guest" : symbolize_text(layout, result.problem), bench.log.string());
    return 1;
}

int run(BenchOptions options) {
    // What can be wrong with the arguments comes out before anything is booted.
    std::optional<BenchFigures> before;
    if (!options.compare.empty()) before = load_bench_figures(options.compare);
    static_cast<void>(select_items({}, options.selection.filter + options.trace));
    options.selection.minimum_time_s = options.minimum_time_s.value_or(options.selection.minimum_time_s);
    const auto layout = find_layout();
    if (!options.guest.empty()) return run_in_guest(options, layout, before);
    const auto platform = decide(!options.platform && !options.trace.empty() ? Platform::BochsVmx : options.platform);
    BenchMachine machine;
    machine.platform = platform;
    machine.cpus = options.cpus;
    if (!options.machine_memory.empty()) {
        const auto size = parse_size(options.machine_memory);
        if (!size) throw Error(fmt::format("--machine-memory {}: not a size; write 512M or 2G", options.machine_memory));
        machine.memory_bytes = *size;
    }
    machine.limit = std::chrono::seconds(static_cast<unsigned>(options.timeout_s * slowness(platform)));
    machine.log = new_log_name(layout.logs(), "bench");
    if (!options.trace.empty()) return trace(layout, machine, options);
    BenchTarget target(layout, machine);
    if (options.list) return list_benchmarks(target);
    if (options.write_baseline) {
        write_baseline(layout, platform, target);
        target.halt();
        return 0;
    }

    const auto items = target.list();
    const auto result = run_benchmarks(target, items, options.selection, context_of(options, platform, target));
    target.halt();
    if (!options.json.empty()) write_file(options.json, result.json);
    if (!options.report.empty()) write_report(options.report, machine_name(options, platform, "-"), result.json, items);
    if (before) fmt::print("\n{}", compare_bench_figures(*before, result.figures));
    if (result.failed == 0) return 0;
    fmt::print(stderr, "bulkhead: {} benchmark runs failed{}\n", result.failed,
               target.problem().empty() ? "; log: " + target.log().string() : ": " + target.problem());
    return 1;
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
    auto options = std::make_shared<BenchOptions>();
    auto* command = app.add_subcommand("bench", "measure: messages, VM exits, memory, scheduling");
    command->footer(R"(Examples:
  bulkhead bench --filter '^call/'               messages
  bulkhead bench --guest debian                  a Google Benchmark program inside a Debian guest: exits, timers, sleep
  bulkhead bench --on bochs-vmx --trace '^vm/cpuid$'   where the instructions of one exit go

Beside Linux and KVM on the same emulated machine: bulkhead compare peers, compare boot, compare hosting, compare debian)");
    command->add_option("--on", options->platform, "platform: kvm, qemu-svm, bochs-vmx, nested-svm, nested-vmx")
        ->transform(platform_name())
        ->option_text("PLATFORM");
    command->add_option("--filter", options->selection.filter, "only runs whose name matches this regular expression");
    command->add_option("--json", options->json, "write the figures to this file (Google Benchmark's JSON)");
    command->add_option("--repetitions", options->selection.repetitions, "run each so often; adds mean, median, deviation")
        ->check(CLI::Range(1, 1000));
    command->add_option("--compare", options->compare, "print the change against this file of an earlier --json");
    auto* report = command->add_option("--report", options->report,
                        "write index.html and benchmarks.md into this directory, with the figures of earlier runs there");
    command->add_option("--cpus", options->cpus, "CPUs of the machine; with more than 1, figures are ticks")->check(CLI::Range(1, 64));
    auto* memory = command->add_option("--machine-memory", options->machine_memory, "memory of the machine (default 2560M)");
    command->add_option("--min-time", options->minimum_time_s,
                        "seconds per benchmark where the clock is real; with --guest, where it is a count: 1e-9 for each instruction")
        ->check(CLI::PositiveNumber);
    command->add_option("--timeout", options->timeout_s, "seconds until a silent target is given up, times the platform's slowness");
    auto* guest = command->add_option("--guest", options->guest, "not Bulkhead's own benchmarks but those of bench/guest inside this guest: debian")
        ->check(CLI::IsMember({"debian"}));
    auto* trace = command->add_option("--trace", options->trace, "in Bochs: one iteration of each run that matches, instruction by instruction, summed up by function and kind");
    command->add_option("--vendor", options->vendor, "with --trace: whose processor, intel (VT-x, default) or amd (AMD-V)")
        ->check(CLI::IsMember({"intel", "amd"}))
        ->needs(trace);
    command->add_flag("--list", options->list, "name the benchmarks and what each counts; run none");
    auto* baseline = command->add_flag("--write-baseline", options->write_baseline,
                      "write bench/baseline/PLATFORM.json, which ./bulkhead test holds the counts to");
    for (auto* other : {trace, report, memory, baseline}) guest->excludes(other);
    command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace bulkhead::tool
