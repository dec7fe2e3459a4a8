// SPDX-License-Identifier: Apache-2.0
// The benchmark target on a machine: boots it, asks it, and notices when it is gone. One request at a time.
#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/bulkhead/bench_protocol.hpp"
#include "tools/console/run_log.hpp"
#include "tools/machine/launch.hpp"
#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

/// What a tick of the target's clock is.
enum class BenchUnit { Instructions, Nanoseconds, Ticks };

/// "instructions", "nanoseconds", "ticks".
[[nodiscard]] std::string_view to_string(BenchUnit unit);
/// Where the TSC counts instructions, where it is time, and where (nested in an emulator) it is neither.
[[nodiscard]] BenchUnit bench_unit(Platform platform, unsigned cpus);

struct BenchMachine {
    Platform platform = Platform::QemuSvm;
    unsigned cpus = 1;
    std::uint64_t memory_bytes = mebibytes(2560);
    std::chrono::seconds limit{60};  ///< for the boot and for each answer
    bool traced = false;             ///< Bochs: ready for one trace()
    std::string cpu_model = {};      ///< see MachineOptions
    std::filesystem::path log;
};

class BenchTarget {
  public:
    /// Boots it and waits until it is ready; throws Error.
    BenchTarget(const Layout& layout, const BenchMachine& machine);

    [[nodiscard]] std::vector<BenchItem> list();

    using Outcome = std::variant<BenchResult, BenchSkip, BenchError>;
    /// Runs one benchmark. A target that is gone or silent is a BenchError, and so is each run after that.
    [[nodiscard]] Outcome run(const std::string& name, std::uint64_t argument, std::uint64_t iterations);

    /// Runs one benchmark with one iteration between magic breakpoints; what Bochs's debugger said about that iteration.
    /// The target is gone then. Throws Error if there is nothing to trace.
    [[nodiscard]] std::string trace(const std::string& name, std::uint64_t argument, std::uint64_t iterations);

    /// Why the target does not answer any more; empty while it does.
    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] const BenchReady& ready() const { return ready_; }
    [[nodiscard]] BenchUnit unit() const { return unit_; }
    /// Whether a figure repeats, so that a few iterations do. Bochs with several CPUs has no count of one CPU's
    /// instructions, but the same ticks each time.
    [[nodiscard]] bool repeats() const { return repeats_; }
    /// What one tick is in the unit of the figures.
    [[nodiscard]] double tick_value() const;
    [[nodiscard]] const std::filesystem::path& log() const { return log_.file(); }

    /// Asks it to halt and waits a moment, so that the log is complete.
    void halt();

  private:
    /// The next line of the target itself; nothing if there is none in time, and then problem() says why.
    std::optional<BenchLine> next_line();
    void lose(const std::string& why);
    void lose_to_panic();
    std::string ending() const;

    TemporaryDirectory work_;
    RunLog log_;
    std::chrono::seconds limit_;
    Machine machine_;
    BenchUnit unit_;
    bool repeats_;
    BenchReady ready_;
    std::deque<BenchLine> lines_;
    std::string problem_;
    LineSplitter splitter_;
};

}  // namespace bulkhead::tool
