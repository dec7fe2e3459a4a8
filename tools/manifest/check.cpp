// SPDX-License-Identifier: Apache-2.0
// What single values cannot show: names that meet, connections, CPUs, devices, and the sum of all memory.
#include <algorithm>
#include <bit>
#include <map>

#include "tools/manifest/model.hpp"
#include "tools/manifest/units.hpp"

namespace bulkhead::manifest {
namespace {

using protocol::ManifestLimit;

constexpr std::uint64_t kernel_reserve_bytes = 32 << 20;    ///< kernel, its memory, boot modules of programs
constexpr std::uint64_t program_reserve_bytes = 512 << 10;  ///< image, stack, startup page of one program
constexpr std::uint64_t monitor_quota_bytes = 8 << 20;
/// The kernel's pool is this part of the machine's RAM (kernel/platform/memory_plan.cpp); init itself and the kernel's
/// own tables need some of it.
constexpr std::uint64_t pool_share_of_ram = 16;
constexpr std::uint64_t init_quota_bytes = 4 << 20;

class Checker {
  public:
    Checker(const Model& model, Diagnostics& diagnostics) : model_{model}, diagnostics_{diagnostics} {}

    void counts();
    void names();
    void connections();
    void cpus();
    void devices();
    void chaos();
    void memory();

  private:
    void limit(std::size_t count, std::size_t maximum, Place place, const std::string& what);
    void cpu_exists(std::uint32_t cpu, Place place, const std::string& what);
    [[nodiscard]] const Domain* provider(const std::string& service) const;
    [[nodiscard]] std::string all_services() const;

    const Model& model_;
    Diagnostics& diagnostics_;
};

void Checker::limit(std::size_t count, std::size_t maximum, Place place, const std::string& what) {
    if (count > maximum)
        diagnostics_.add(place, "too many " + what + ": " + std::to_string(count),
                         "at most " + std::to_string(maximum));
}

void Checker::counts() {
    std::size_t services = 0, uses = 0, devices = 0;
    for (const Domain& domain : model_.domains) {
        services += domain.provides.size();
        uses += domain.uses.size();
        devices += domain.devices.size();
    }
    const Place last = model_.domains.empty() ? Place{} : model_.domains.back().place;
    limit(model_.vms.size(), ManifestLimit::vms, last, "virtual machines");
    limit(model_.domains.size(), ManifestLimit::domains, last, "domains, monitors included");
    limit(services, ManifestLimit::services, last, "services");
    limit(uses, ManifestLimit::connections, last, "connections");
    limit(devices, ManifestLimit::devices, last, "devices");
    limit(model_.chaos.size(), ManifestLimit::chaos, last, "[[chaos]] entries");
    if (model_.domains.empty())
        diagnostics_.add({}, "the manifest has neither domains nor virtual machines", "[domain.NAME], [vm.NAME]");
}

const Domain* Checker::provider(const std::string& service) const {
    for (const Domain& domain : model_.domains) {
        for (const Name& name : domain.provides) {
            if (name.text == service) return &domain;
        }
    }
    return nullptr;
}

std::string Checker::all_services() const {
    std::string text;
    for (const Domain& domain : model_.domains) {
        for (const Name& name : domain.provides) text += (text.empty() ? "" : ", ") + name.text;
    }
    return text.empty() ? "no domain of this manifest provides a service" : text;
}

void Checker::names() {
    std::map<std::string, const Domain*> services;
    for (const Domain& domain : model_.domains) {
        std::map<std::string, int> used{{"supervisor", 1}, {"exception", 1}, {"heap", 1},
                                        {"state", 1},      {"machine", 1},   {"interrupts", 1}};
        for (const Name& service : domain.provides) {
            if (auto [found, fresh] = services.try_emplace(service.text, &domain); !fresh)
                diagnostics_.add(
                    service.place,
                    "service '" + service.text + "' is provided by domain '" + found->second->name + "' already",
                    "one provider per service");
        }
        auto capability = [&](const std::string& name, Place place) {
            if (used[name]++ != 0)
                diagnostics_.add(place, "domain '" + domain.name + "' has two capabilities named '" + name + "'",
                                 "different names for its devices and the services it uses; not supervisor, exception, "
                                 "heap, state, machine, interrupts");
        };
        for (const Name& service : domain.uses) capability(service.text, service.place);
        for (const Device& device : domain.devices) capability(device.name, device.place);
    }
}

void Checker::connections() {
    for (const Domain& domain : model_.domains) {
        for (const Name& service : domain.uses) {
            const Domain* callee = provider(service.text);
            if (callee == nullptr) {
                diagnostics_.add(
                    service.place,
                    "domain '" + domain.name + "' uses service '" + service.text + "', which nobody provides",
                    all_services());
                continue;
            }
            const std::uint64_t missing = domain.cpus & ~callee->cpus;
            if (callee == &domain) {
                diagnostics_.add(service.place,
                                 "domain '" + domain.name + "' uses its own service '" + service.text + "'");
            } else if (missing != 0) {
                diagnostics_.add(service.place,
                                 "domain '" + domain.name + "' runs on CPU " +
                                     std::to_string(std::countr_zero(missing)) + ", where service '" + service.text +
                                     "' of domain '" + callee->name + "' has no handler",
                                 "callers on CPUs of the callee only: calls stay on one CPU; give '" + callee->name +
                                     "' more 'cpus', or cpus = \"all\"");
            }
        }
    }
}

void Checker::cpu_exists(std::uint32_t cpu, Place place, const std::string& what) {
    if (model_.machine_cpus != 0 && cpu >= model_.machine_cpus)
        diagnostics_.add(place,
                         what + " is placed on CPU " + std::to_string(cpu) + ", but the machine has " +
                             std::to_string(model_.machine_cpus) + " CPUs",
                         "0 to " + std::to_string(model_.machine_cpus - 1));
}

void Checker::cpus() {
    for (const Domain& domain : model_.domains) {
        if (domain.cpus == all_cpus || domain.vm != protocol::no_index) continue;
        for (std::uint32_t cpu = 0; cpu < ManifestLimit::cpus; ++cpu) {
            if (((domain.cpus >> cpu) & 1) != 0) cpu_exists(cpu, domain.cpus_place, "domain '" + domain.name + "'");
        }
    }
    for (const VirtualMachine& vm : model_.vms) {
        for (std::size_t index = 0; index < vm.cpus.size(); ++index)
            cpu_exists(vm.cpus[index], vm.cpus_place,
                       "vCPU " + std::to_string(index) + " of virtual machine '" + vm.name + "'");
    }
}

void Checker::devices() {
    std::vector<std::pair<const Domain*, const Device*>> seen;
    for (const Domain& domain : model_.domains) {
        for (const Device& device : domain.devices) {
            for (const auto& [owner, other] : seen) {
                if (other->kind != device.kind || other->first + other->count <= device.first ||
                    device.first + device.count <= other->first)
                    continue;
                diagnostics_.add(device.place,
                                 "domain '" + domain.name + "': device '" + device.name + "' overlaps device '" +
                                     other->name + "' of domain '" + owner->name + "' (line " +
                                     std::to_string(other->place.line) + ")",
                                 "each port, interrupt line and piece of device memory for one domain");
            }
            seen.emplace_back(&domain, &device);
        }
    }
}

void Checker::chaos() {
    for (const Chaos& chaos : model_.chaos) {
        std::string all{init_name};
        bool found = chaos.domain.text == init_name;
        for (const Domain& domain : model_.domains) {
            found = found || domain.name == chaos.domain.text;
            all += ", " + domain.name;
        }
        if (!found)
            diagnostics_.add(chaos.domain.place, "[[chaos]]: there is no domain '" + chaos.domain.text + "'", all);
    }
}

void Checker::memory() {
    if (model_.machine_memory_bytes == 0) return;
    const std::uint64_t needed = memory_needed(model_);
    if (needed <= model_.machine_memory_bytes) return;
    std::string parts;
    for (const VirtualMachine& vm : model_.vms) parts += "vm '" + vm.name + "' " + size_text(vm.memory_bytes) + ", ";
    diagnostics_.add(model_.machine_memory_place,
                     "too much memory is given away: " + std::to_string((needed + (1 << 20) - 1) >> 20) + "M of " +
                         size_text(model_.machine_memory_bytes),
                     "a sum that fits (" + parts + "kernel and programs the rest); nothing is promised twice");
}

/// The monitor's domain, as far as the manifest leaves no choice.
Domain monitor_of(const VirtualMachine& vm, std::uint32_t index) {
    Domain domain;
    domain.place = vm.place;
    domain.name = "vmm:" + vm.name;
    domain.program = vm.monitor_program;
    domain.memory_bytes = vm.monitor_memory_bytes;
    domain.quota_bytes = monitor_quota_bytes;
    domain.cpus = 0;
    for (std::uint32_t cpu : vm.cpus) domain.cpus |= 1ull << cpu;
    domain.first_cpu = vm.cpus.front();
    domain.cpus_place = vm.cpus_place;
    domain.schedule.priority = vm.monitor_priority;
    domain.restart = vm.restart;
    domain.vm = index;
    if (!vm.console.empty()) domain.uses.push_back({vm.console, vm.console_place});
    return domain;
}

void apply(const CompileOptions& options, Model& model) {
    if (options.machine_memory_bytes) model.machine_memory_bytes = *options.machine_memory_bytes;
    if (options.machine_cpus) model.machine_cpus = *options.machine_cpus;
    if (model.vms.empty()) return;
    VirtualMachine& vm = model.vms.front();
    if (options.vcpus) vm.vcpus = *options.vcpus, vm.cpus.clear();
    if (options.vm_memory_bytes) vm.memory_bytes = *options.vm_memory_bytes;
    if (options.kernel) vm.kernel.text = *options.kernel;
    if (options.initrd) vm.initrd.text = *options.initrd;
    if (options.command_line) vm.command_line = *options.command_line;
    if (!options.command_line_addition.empty()) vm.command_line += " " + options.command_line_addition;
}

}  // namespace

void complete(Model& model, const CompileOptions& options) {
    apply(options, model);
    for (VirtualMachine& vm : model.vms) {
        if (!vm.cpus.empty()) continue;
        const unsigned cpus = model.machine_cpus != 0 ? model.machine_cpus : vm.vcpus;
        for (unsigned index = 0; index < vm.vcpus; ++index) vm.cpus.push_back(index % cpus);
    }
    for (std::uint32_t index = 0; index < model.vms.size(); ++index)
        model.domains.push_back(monitor_of(model.vms[index], index));
}

void check(const Model& model, Diagnostics& diagnostics) {
    Checker checker{model, diagnostics};
    checker.counts();
    checker.names();
    checker.connections();
    checker.cpus();
    checker.devices();
    checker.chaos();
    checker.memory();
    for (const VirtualMachine& vm : model.vms) {
        if (vm.command_line.size() >= protocol::max_command_line)
            diagnostics.add(vm.place, "virtual machine '" + vm.name + "': the command line is too long",
                            "at most " + std::to_string(protocol::max_command_line - 1) + " characters");
    }
}

std::uint64_t guest_quota_bytes(const VirtualMachine& vm) {
    // Tables for RAM in large pages need 1/512 of 1/512; what is mapped in small pages needs more.
    return (1024 + vm.memory_bytes / page_size_bytes / 400) * page_size_bytes;
}

std::uint64_t memory_needed(const Model& model) {
    std::uint64_t sum = kernel_reserve_bytes;
    std::uint64_t kernel_memory = init_quota_bytes;
    for (const Domain& domain : model.domains) {
        sum += domain.memory_bytes + domain.state_bytes + domain.quota_bytes + program_reserve_bytes;
        kernel_memory += domain.quota_bytes;
    }
    for (const VirtualMachine& vm : model.vms) {
        sum += vm.memory_bytes + protocol::VmPlace::device_state_bytes + guest_quota_bytes(vm);
        kernel_memory += guest_quota_bytes(vm);
    }
    // All quotas come out of the kernel's pool, a fixed share of the RAM.
    return std::max(sum, kernel_memory * pool_share_of_ram);
}

unsigned cpus_used(const Model& model) {
    unsigned count = 1;
    for (const Domain& domain : model.domains) {
        if (domain.cpus != all_cpus && domain.cpus != 0)
            count = std::max(count, 64u - static_cast<unsigned>(std::countl_zero(domain.cpus)));
    }
    return count;
}

}  // namespace bulkhead::manifest
