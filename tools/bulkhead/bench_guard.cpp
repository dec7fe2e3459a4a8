// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tools/bulkhead/bench_figures.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::tool {

namespace {

using Json = nlohmann::json;

constexpr double kRelativeTolerance = 0.02;
constexpr double kAbsoluteTolerance = 3;
/// The counter that is held to its baseline as the count itself is: kernel memory of one object (bench/micro/object.cpp).
constexpr std::string_view kMemoryCounter = "kernel_bytes";

std::string row(const std::string& name, double before, double now) {
    return fmt::format("{:<44} {:>10} -> {:>10}  ({:+.1f} %)", name, figure_text(before), figure_text(now),
                       before == 0 ? 100.0 : (now - before) / before * 100);
}

}  // namespace

double guard_tolerance(double baseline) { return std::max(kAbsoluteTolerance, baseline * kRelativeTolerance); }

GuardVerdict judge_counts(const BenchCounts& baseline, const BenchCounts& limits, const BenchCounts& counted) {
    GuardVerdict verdict;
    for (const auto& [name, before] : baseline) {
        const auto found = counted.find(name);
        if (found == counted.end()) {
            verdict.failures.push_back(name + ": in the baseline, but not counted");
            continue;
        }
        const double now = found->second;
        if (now > before + guard_tolerance(before)) verdict.failures.push_back(row(name, before, now));
        if (now < before - guard_tolerance(before)) verdict.hints.push_back(row(name, before, now));
    }
    for (const auto& [name, now] : counted) {
        if (!baseline.contains(name)) verdict.failures.push_back(fmt::format("{}: {}, not in the baseline", name, figure_text(now)));
    }
    for (const auto& [name, limit] : limits) {
        const auto found = counted.find(name);
        if (found == counted.end()) {
            verdict.failures.push_back(name + ": has a limit, but is not counted");
            continue;
        }
        verdict.figures.push_back(fmt::format("{}: {} instructions (limit {})", name, figure_text(found->second), figure_text(limit)));
        if (found->second > limit) verdict.failures.push_back(verdict.figures.back());
    }
    return verdict;
}

BenchCounts parse_counts(std::string_view text, const std::string& key, const std::string& file_name) {
    const Json document = Json::parse(text, nullptr, false);
    const auto bad = [&] { return Error(fmt::format("{}: no JSON object with names and numbers under \"{}\"", file_name, key)); };
    if (!document.is_object() || !document.contains(key) || !document[key].is_object()) throw bad();
    BenchCounts counts;
    for (const auto& [name, value] : document[key].items()) {
        if (!value.is_number()) throw bad();
        counts[name] = value.get<double>();
    }
    return counts;
}

std::string format_counts(const BenchCounts& counts, std::string_view platform) {
    Json figures = Json::object();
    for (const auto& [name, value] : counts) {
        // Whole numbers without a point, so that a change reads well in a diff.
        if (value == std::floor(value)) figures[name] = static_cast<std::int64_t>(value);
        else figures[name] = std::round(value * 100) / 100;
    }
    const Json document{{"platform", platform}, {"unit", "instructions"}, {"figures", figures}};
    return document.dump(2) + "\n";
}

namespace {

/// Adds what one run of an item counts to `counts`; what went wrong to `errors`.
void count_run(BenchTarget& target, const BenchItem& item, std::uint64_t value, BenchCounts& counts,
               std::vector<std::string>& errors) {
    const auto name = item.run_name(value);
    const auto outcome = target.run(item.name, value, item.iterations);
    if (const auto* result = std::get_if<BenchResult>(&outcome)) {
        const auto operations = static_cast<double>(result->operations);
        counts[name] = std::round(static_cast<double>(result->ticks) / operations * 100) / 100;
        for (const auto& [counter, sum] : result->counters) {
            if (counter == kMemoryCounter) counts[name + "/" + counter] = static_cast<double>(sum) / operations;
        }
    } else if (const auto* skip = std::get_if<BenchSkip>(&outcome)) {
        errors.push_back(fmt::format("{}: skipped: {}", name, skip->reason));
    } else {
        errors.push_back(fmt::format("{}: {}", name, std::get<BenchError>(outcome).why));
    }
}

bool has_grown(const BenchCounts& baseline, const BenchCounts& counts, const std::string& name) {
    const auto before = baseline.find(name);
    const auto now = counts.find(name);
    return before != baseline.end() && now != counts.end() && now->second > before->second + guard_tolerance(before->second);
}

}  // namespace

BenchCounts count_guarded(BenchTarget& target, const BenchCounts& baseline, std::vector<std::string>& errors) {
    BenchCounts counts;
    for (const auto& item : target.list()) {
        for (const auto value : item.values) {
            if (!item.guarded(value)) continue;
            count_run(target, item, value, counts, errors);
            for (int again = 0; again < 2 && has_grown(baseline, counts, item.run_name(value)); ++again) {
                count_run(target, item, value, counts, errors);
            }
            if (!target.problem().empty()) return counts;
        }
    }
    return counts;
}

std::filesystem::path baseline_file(const Layout& layout, Platform platform) {
    return layout.source / "bench" / "baseline" / fmt::format("{}.json", to_string(platform));
}

void write_baseline(const Layout& layout, Platform platform, BenchTarget& target) {
    if (target.unit() != BenchUnit::Instructions) {
        throw Error(fmt::format("{} counts no instructions here: a baseline needs exact counts (qemu-svm or bochs-vmx, one CPU)",
                                to_string(platform)));
    }
    std::vector<std::string> errors;
    const auto counts = count_guarded(target, {}, errors);
    if (!target.problem().empty()) throw Error("the benchmark target is gone: " + target.problem());
    if (!errors.empty()) throw Error(fmt::format("the baseline was not written:\n{}", fmt::join(errors, "\n")));
    const auto file = baseline_file(layout, platform);
    std::filesystem::create_directories(file.parent_path());
    write_file(file, format_counts(counts, to_string(platform)));
    fmt::print("{} counts written to {}\n", counts.size(), file.string());
}

GuardVerdict run_guard(const Layout& layout, Platform platform, std::chrono::seconds limit,
                       const std::filesystem::path& log) {
    const auto file = baseline_file(layout, platform);
    const auto limits_file = file.parent_path() / "limits.json";
    const auto baseline = parse_counts(read_file(file), "figures", file.string());
    const auto limits = parse_counts(read_file(limits_file), std::string(to_string(platform)), limits_file.string());
    BenchMachine machine;
    machine.platform = platform;
    machine.limit = limit;
    machine.log = log;
    BenchTarget target(layout, machine);
    std::vector<std::string> errors;
    const auto counted = count_guarded(target, baseline, errors);
    auto verdict = judge_counts(baseline, limits, counted);
    if (!target.problem().empty()) verdict.failures = {"the benchmark target is gone: " + target.problem()};
    verdict.failures.insert(verdict.failures.end(), errors.begin(), errors.end());
    target.halt();
    return verdict;
}

}  // namespace bulkhead::tool
