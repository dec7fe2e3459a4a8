// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_guest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tools/bulkhead/bench_report.hpp"
#include "tools/bulkhead/bench_target.hpp"
#include "tools/bulkhead/guest_files.hpp"
#include "tools/bulkhead/system.hpp"
#include "tools/machine/error.hpp"
#include "tools/machine/process.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kJsonMark = "#json ";
constexpr const char* kProgram = "guest_bench";
constexpr const char* kLoader = "ld-linux-x86-64.so.2";
constexpr double kCountedSeconds = 0.005;  ///< 5 million instructions, which are reported as nanoseconds
constexpr double kTimedSeconds = 0.2;

fs::path program_file(const Layout& layout) {
    const fs::path file = layout.build / "bench-guest" / kProgram;
    if (!fs::is_regular_file(file)) throw Error(fmt::format("the guest's benchmark was not built: there is no {}", file.string()));
    return file;
}

/// Linux's MSR driver out of the guest's kernel package, without debug information, which Linux would spend its time on.
void extract_msr_driver(const Layout& layout, const fs::path& file) {
    const auto package = layout.guests() / "linux-cloud" / "kernel.deb";
    const auto output = run_command({"sh", "-c", fmt::format("set -e; dpkg-deb --fsys-tarfile {0} | tar -xO --wildcards "
                                                             "'./lib/modules/*/kernel/arch/x86/kernel/msr.ko' >{1}.full; "
                                                             "strip --strip-debug -o {1} {1}.full; rm {1}.full",
                                                             shell_word(package.string()), shell_word(file.string()))});
    if (output.exit_status != 0) throw Error(fmt::format("cannot take the MSR driver out of {}: {}", package.string(), output.text));
}

std::string unit_of(const GuestBench& bench) { return std::string(to_string(bench_unit(bench.platform, bench.cpus))); }

}  // namespace

GuestBenchOutput::GuestBenchOutput(Sink table)
    : table_(std::move(table)), lines_([this](std::string_view line) {
          if (line.starts_with(kJsonMark)) json_ += std::string(line.substr(kJsonMark.size())) + "\n";
          else if (!finishing_ || !line.empty()) table_(std::string(line) + "\n");
      }) {}

void GuestBenchOutput::finish() {
    finishing_ = true;
    lines_.finish();
}

std::string GuestBenchOutput::json() const {
    // A guest that died left the list of benchmarks open, perhaps within one of them.
    for (std::string text = json_; !text.empty();) {
        for (const char* end : {"", "]}"}) {
            if (nlohmann::json::accept(text + end)) return text + end + (*end == 0 ? "" : "\n");
        }
        text.pop_back();
        text.erase(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
    }
    return {};
}

std::map<std::string, fs::path> parse_ldd(std::string_view text) {
    std::map<std::string, fs::path> files;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name, arrow, file;
        words >> name >> arrow >> file;
        if (arrow == "=>" && file.starts_with('/')) files[name] = file;
        else if (name.starts_with('/')) files[fs::path(name).filename()] = name;
        else if (arrow == "=>") throw Error(fmt::format("the library {} is missing; is libbenchmark-dev installed?", name));
    }
    return files;
}

std::vector<std::string> exit_lines(std::string_view log) {
    std::vector<std::string> found;
    std::istringstream lines{std::string(log)};
    for (std::string line; std::getline(lines, line);) {
        const auto place = line.find("vCPU ");
        if (place != std::string::npos && line.find(" exits (absorbed): ", place) != std::string::npos) found.push_back(line.substr(place));
    }
    return found;
}

std::vector<GuestBenchName> parse_guest_bench_names(std::string_view text) {
    std::vector<GuestBenchName> names;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line.find(' ') != std::string::npos) continue;
        const auto shown = line.substr(0, std::min(line.find("/iterations:"), line.find("/manual_time")));
        names.push_back({shown, line});
    }
    return names;
}

std::map<std::string, fs::path> guest_bench_files(const Layout& layout, const fs::path& work) {
    const auto program = program_file(layout);
    const auto linked = run_command({"ldd", program.string()});
    if (linked.exit_status != 0) throw Error(fmt::format("ldd {}: {}", program.string(), linked.text));
    auto files = parse_ldd(linked.text);
    if (!files.contains(kLoader)) throw Error(fmt::format("{} does not use {}: {}", program.string(), kLoader, linked.text));
    files[kProgram] = program;
    build_linux_guest(layout, "cloud");
    extract_msr_driver(layout, work / "msr.ko");
    files["msr.ko"] = work / "msr.ko";
    return files;
}

std::string guest_bench_command(const GuestBench& bench, const std::vector<GuestBenchName>& names, const std::string& commit) {
    const bool counted = bench_unit(bench.platform, bench.cpus) == BenchUnit::Instructions;
    std::string command = "insmod /bulkhead/msr.ko allow_writes=on\n";
    command += fmt::format("/bulkhead/{0} --library-path /bulkhead /bulkhead/{1} --unit={2} --context=platform={3} --context=commit={4}",
                           kLoader, kProgram, unit_of(bench), to_string(bench.platform), shell_word(commit));
    command += fmt::format(" --benchmark_min_time={}", bench.minimum_time_s.value_or(counted ? kCountedSeconds : kTimedSeconds));
    std::string filter;
    for (const auto& name : names) filter += (filter.empty() ? "" : "|") + name.full;
    command += " --benchmark_filter=" + shell_word("^(" + filter + ")$");
    if (bench.repetitions > 1) command += fmt::format(" --benchmark_repetitions={}", bench.repetitions);
    return command + "\n";
}

std::vector<GuestBenchName> list_guest_bench(const Layout& layout, const std::string& filter) {
    const auto output = run_command({program_file(layout).string(), "--benchmark_list_tests"});
    if (output.exit_status != 0) throw Error("the guest's benchmark does not list its names: " + output.text);
    auto names = parse_guest_bench_names(output.text);
    std::regex pattern;
    try {
        pattern = std::regex(filter);
    } catch (const std::regex_error& error) {
        throw Error(fmt::format("--filter {}: not a regular expression ({})", filter, error.what()));
    }
    std::string all;
    for (const auto& name : names) all += "\n  " + name.shown;
    std::erase_if(names, [&](const auto& name) { return !std::regex_search(name.shown, pattern); });
    if (names.empty()) throw Error(fmt::format("no benchmark matches '{}'; there are:{}", filter, all));
    return names;
}

std::vector<std::string> judge_guest_bench(const GuestBenchResult& result, const std::vector<GuestBenchName>& names) {
    std::vector<std::string> wrong;
    if (!result.problem.empty()) wrong.push_back(result.problem);
    if (result.status != 0) wrong.push_back(fmt::format("the program ended with status {}", result.status));
    if (result.exits.empty()) wrong.emplace_back("the monitor did not print its counts of exits");
    const auto figures = parse_bench_figures(result.json.empty() ? R"({"benchmarks": []})" : result.json, "the guest's figures");
    for (const auto& name : names) {
        const auto* figure = figures.find(name.shown);
        if (figure == nullptr) wrong.push_back(name.shown + ": there is no figure");
        else if (!figure->skipped.empty()) wrong.push_back(name.shown + ": " + figure->skipped);
        else if (figure->value <= 0) wrong.push_back(fmt::format("{}: {} is no figure", name.shown, figure->value));
    }
    return wrong;
}

GuestBenchResult run_guest_bench(const Layout& layout, const GuestBench& bench, const GuestBenchOutput::Sink& table) {
    const auto names = list_guest_bench(layout, bench.filter);
    const TemporaryDirectory work;
    SystemRequest request;
    request.platform = bench.platform;
    request.time = MachineTime::Counted;
    request.overrides.cpus = bench.cpus;
    request.overrides.command_line = kGuestBenchCommandLine;
    request.exec_programs = guest_bench_files(layout, work.path());
    request.exec_command = guest_bench_command(bench, names, describe_commit(layout));
    GuestBenchOutput output(table);
    const auto session = run_system(layout, request, bench.log, bench.limit, [&](std::string_view text) { output.feed(text); });
    output.finish();
    GuestBenchResult result{.json = output.json(), .status = session.status, .problem = session.problem};
    if (fs::exists(bench.log)) result.exits = exit_lines(read_file(bench.log));
    if (result.json.empty() && result.problem.empty()) result.problem = fmt::format("the guest's benchmark ended with status {} and no figures", session.status);
    return result;
}

}  // namespace bulkhead::tool
