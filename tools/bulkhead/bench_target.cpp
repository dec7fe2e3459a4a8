// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_target.hpp"

#include <fmt/format.h>

#include "tools/debug/symbolize.hpp"
#include "tools/image/iso.hpp"
#include "tools/machine/error.hpp"
#include "tools/nested/nested.hpp"

namespace bulkhead::tool {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kProtocolVersion = 1;
constexpr const char* kProgram = "bench-micro";
/// From the first magic breakpoint to the second, each instruction with the registers and its accesses to memory.
constexpr const char* kTraceCommands = "c\ntrace on\ntrace-reg on\ntrace-mem on\nc\nq\n";

Machine boot(const Layout& layout, const BenchMachine& wanted, const std::filesystem::path& work) {
    MachineOptions options;
    options.platform = wanted.platform;
    options.cpus = wanted.cpus;
    options.memory_bytes = wanted.memory_bytes;
    options.image = work / "boot.iso";
    options.work_directory = work;
    if (wanted.cpus == 1) options.time = MachineTime::Counted;
    if (wanted.traced) options.debugger_commands = kTraceCommands;
    options.cpu_model = wanted.cpu_model;
    build_iso({layout.kernel(), "console=com1", {{"init", layout.program(kProgram)}}}, options.image, work);
    return start_machine(layout, options);
}

}  // namespace

std::string_view to_string(BenchUnit unit) {
    switch (unit) {
        case BenchUnit::Instructions: return "instructions";
        case BenchUnit::Nanoseconds: return "nanoseconds";
        case BenchUnit::Ticks: return "ticks";
    }
    return "?";
}

BenchUnit bench_unit(Platform platform, unsigned cpus) {
    switch (platform) {
        case Platform::Kvm: return BenchUnit::Nanoseconds;
        // With several CPUs the clocks of the emulators advance for all of them.
        case Platform::QemuSvm:
        case Platform::BochsVmx: return cpus == 1 ? BenchUnit::Instructions : BenchUnit::Ticks;
        case Platform::NestedSvm:
        case Platform::NestedVmx: break;
    }
    return BenchUnit::Ticks;
}

BenchTarget::BenchTarget(const Layout& layout, const BenchMachine& machine)
    : log_(machine.log),
      limit_(machine.limit),
      machine_(boot(layout, machine, work_.path())),
      unit_(bench_unit(machine.platform, machine.cpus)),
      repeats_(unit_ == BenchUnit::Instructions || machine.platform == Platform::BochsVmx),
      splitter_([this](std::string_view line) {
          auto parsed = parse_bench_line(line);
          if (!std::holds_alternative<std::monostate>(parsed)) lines_.push_back(std::move(parsed));
      }) {
    const auto line = next_line();
    if (!line) throw Error(fmt::format("the benchmark target did not come up: {}", problem_));
    if (const auto* ready = std::get_if<BenchReady>(&*line)) ready_ = *ready;
    if (ready_.version != kProtocolVersion) throw Error("the benchmark target speaks another protocol; see " + log_.file().string());
}

double BenchTarget::tick_value() const {
    if (unit_ != BenchUnit::Nanoseconds || ready_.tsc_hz == 0) return 1;
    return 1e9 / static_cast<double>(ready_.tsc_hz);
}

std::string BenchTarget::ending() const {
    return fmt::format("\n{}\nlog: {}", log_.tail(), log_.file().string());
}

void BenchTarget::lose(const std::string& why) {
    log_.finish();
    problem_ = symbolize_text(find_layout(), why + ending());
    machine_.stop();
}

void BenchTarget::lose_to_panic() {
    // The backtrace follows the line that says so.
    const auto end = Clock::now() + std::chrono::seconds(2);
    std::string text;
    while (Clock::now() < end && machine_.receive(text, std::chrono::milliseconds(200)) != Received::Ended) {
    }
    log_.kernel_text(text);
    lose("the kernel panicked");
}

std::optional<BenchLine> BenchTarget::next_line() {
    const auto deadline = Clock::now() + limit_;
    while (lines_.empty() && problem_.empty()) {
        std::string text;
        const auto received = machine_.receive(text, std::chrono::milliseconds(200));
        log_.kernel_text(text);
        splitter_.feed(text);
        if (log_.panicked()) lose_to_panic();
        else if (received == Received::Ended) lose("the machine stopped without a word\n" + machine_.emulator_messages());
        else if (log_.halt_status()) lose(fmt::format("the target halted (status {})", *log_.halt_status()));
        else if (Clock::now() > deadline) lose(fmt::format("it was silent for {} s", limit_.count()));
    }
    if (lines_.empty()) return std::nullopt;
    BenchLine line = std::move(lines_.front());
    lines_.pop_front();
    return line;
}

std::vector<BenchItem> BenchTarget::list() {
    machine_.send("list\n");
    std::vector<BenchItem> items;
    while (true) {
        const auto line = next_line();
        if (!line) throw Error("the benchmark target did not list its benchmarks: " + problem_);
        if (std::holds_alternative<BenchEnd>(*line)) return items;
        const auto* item = std::get_if<BenchItem>(&*line);
        if (item == nullptr) throw Error("the benchmark target listed something odd; see " + log_.file().string());
        items.push_back(*item);
    }
}

BenchTarget::Outcome BenchTarget::run(const std::string& name, std::uint64_t argument, std::uint64_t iterations) {
    if (!problem_.empty()) return BenchError{name, argument, "not run: the target is gone"};
    machine_.send(fmt::format("run {} {} {}\n", name, argument, iterations));
    const auto line = next_line();
    const std::string first_line = problem_.substr(0, problem_.find('\n'));
    if (!line) return BenchError{name, argument, "the target is gone: " + first_line};
    const auto is_this = [&](const auto& answer) { return answer.name == name && answer.argument == argument; };
    if (const auto* result = std::get_if<BenchResult>(&*line); result != nullptr && is_this(*result)) return *result;
    if (const auto* skip = std::get_if<BenchSkip>(&*line); skip != nullptr && is_this(*skip)) return *skip;
    if (const auto* error = std::get_if<BenchError>(&*line); error != nullptr && is_this(*error)) return *error;
    lose("it answered something else than what it was asked");
    return BenchError{name, argument, "the target answered something else than what it was asked"};
}

std::string BenchTarget::trace(const std::string& name, std::uint64_t argument, std::uint64_t iterations) {
    machine_.send(fmt::format("trace {} {} {}\n", name, argument, iterations));
    const auto line = next_line();
    if (line) {
        const auto* skip = std::get_if<BenchSkip>(&*line);
        const auto* error = std::get_if<BenchError>(&*line);
        const auto why = skip != nullptr ? skip->reason : error != nullptr ? error->why : "it has no iteration that could be traced";
        throw Error(fmt::format("cannot trace {}: {}", name, why));
    }
    const auto output = read_file(work_.path() / "bochs-output.log");
    if (output.find("magic breakpoint") == std::string::npos && output.find("Magic breakpoint") == std::string::npos)
        throw Error(fmt::format("cannot trace {}: {}", name, problem_));
    return output;
}

void BenchTarget::halt() {
    if (!problem_.empty()) return;
    limit_ = std::chrono::seconds(10);
    machine_.send("halt\n");
    while (next_line()) {
    }
    machine_.stop();
}

}  // namespace bulkhead::tool
