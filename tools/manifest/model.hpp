// SPDX-License-Identifier: Apache-2.0
// A manifest between its text and its image: what parse() makes, check() examines and encode() writes. Every item
// remembers where it was written, so that a check can name the line.
#pragma once

#include <string>
#include <vector>

#include "protocol/manifest.hpp"
#include "tools/manifest/compile.hpp"

namespace bulkhead::manifest {

struct Place {
    unsigned line = 0;
    unsigned column = 0;
};

struct Name {
    std::string text;
    Place place;
};

struct RestartRule {
    protocol::RestartPolicy policy = protocol::RestartPolicy::OnFailure;
    std::uint32_t limit = 5;
    std::uint64_t window_ns = 10'000'000'000;
};

struct Device {
    Place place;
    std::string name;
    protocol::DeviceKind kind{};
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    abi::InterruptTrigger trigger = abi::InterruptTrigger::Default;
};

/// How often a component or vCPU may run, and how urgently.
struct Schedule {
    std::uint8_t priority = 100;
    std::uint64_t budget_ns = 0;
    std::uint64_t period_ns = 0;
};

/// A component that may be on all CPUs of whatever machine it runs on.
inline constexpr std::uint64_t all_cpus = ~0ull;

struct Domain {
    Place place;
    std::string name;
    Name program;
    std::string arguments;
    std::uint64_t memory_bytes = 1 << 20;
    std::uint64_t state_bytes = 0;
    std::uint64_t quota_bytes = 2 << 20;
    std::uint64_t heartbeat_ns = 0;
    std::uint64_t cpus = 1;
    std::uint32_t first_cpu = 0;
    Place cpus_place;
    Schedule schedule;
    RestartRule restart;
    std::uint32_t may = 0;
    std::uint32_t vm = protocol::no_index;
    std::vector<Device> devices;
    std::vector<Name> provides;
    std::vector<Name> uses;
};

struct VirtualMachine {
    Place place;
    std::string name;
    std::uint64_t memory_bytes = 0;
    unsigned vcpus = 1;
    std::vector<std::uint32_t> cpus;  ///< host CPU of each vCPU; empty: complete() chooses
    Place cpus_place;
    Name kernel;
    Name initrd;
    std::string command_line;
    protocol::VmProfile profile = protocol::VmProfile::Micro;
    std::string console = "console";  ///< service; empty: none
    Place console_place;
    Schedule schedule{.priority = 50};
    protocol::VmPolicy on_power_off = protocol::VmPolicy::HaltSystem;
    protocol::VmPolicy on_failure = protocol::VmPolicy::HaltSystem;
    protocol::VmPolicy on_reset = protocol::VmPolicy::Restart;
    RestartRule restart;
    Name monitor_program{"vmm", {}};
    std::uint64_t monitor_memory_bytes = 4 << 20;
    std::uint8_t monitor_priority = 100;
};

/// The root task's name: for [[chaos]], and in the log. No domain may have it.
inline constexpr std::string_view init_name = "init";

struct Chaos {
    Name domain;  ///< or init_name
    std::uint32_t count = 1;
    std::uint64_t interval_ns = 500'000'000;
    std::uint64_t delay_ns = 0;
};

struct Model {
    std::string name;
    std::uint64_t machine_memory_bytes = 0;  ///< 0: not stated
    Place machine_memory_place;
    unsigned machine_cpus = 0;    ///< 0: not stated
    std::vector<Domain> domains;  ///< those of the text; after complete() also the monitors, in the order of `vms`
    std::vector<VirtualMachine> vms;
    std::vector<Chaos> chaos;
};

/// Collects what is wrong.
class Diagnostics {
  public:
    Diagnostics(std::string_view file, std::vector<Diagnostic>& list) : file_{file}, list_{list} {}
    void add(Place place, std::string message, std::string allowed = {}) {
        list_.push_back({file_, place.line, place.column, std::move(message), std::move(allowed)});
    }
    [[nodiscard]] bool empty() const { return list_.empty(); }

  private:
    std::string file_;
    std::vector<Diagnostic>& list_;
};

/// The text as a model; whatever is wrong with single values goes to `diagnostics`.
[[nodiscard]] Model parse(std::string_view toml_text, std::string_view file_name, Diagnostics& diagnostics);
/// Applies the options and fills in what depends on other items: placement of vCPUs, the domains of the monitors.
void complete(Model& model, const CompileOptions& options);
/// What is wrong between items: names, connections, CPUs, memory.
void check(const Model& model, Diagnostics& diagnostics);
/// The image of a model that has passed check(), and the modules it needs.
void encode(const Model& model, CompileResult& result);

/// RAM the manifest asks for, in bytes, without program images.
[[nodiscard]] std::uint64_t memory_needed(const Model& model);
/// Kernel memory of a guest domain.
[[nodiscard]] std::uint64_t guest_quota_bytes(const VirtualMachine& vm);
/// One more than the highest CPU number used.
[[nodiscard]] unsigned cpus_used(const Model& model);

}  // namespace bulkhead::manifest
