// SPDX-License-Identifier: Apache-2.0
// Model to image: the header, all texts, then the tables.
#include <algorithm>
#include <cstring>
#include <map>

#include "tools/manifest/model.hpp"

namespace bulkhead::manifest {
namespace {

using namespace protocol;

class Encoder {
  public:
    Encoder(const Model& model, CompileResult& result) : model_{model}, result_{result} {}

    void run();

  private:
    void domain(const Domain& domain);
    void connections();
    void vm(const VirtualMachine& vm, std::uint32_t index);
    ManifestText text(std::string_view text);
    /// The name of the boot module with this content; files that are used twice are one module.
    std::string module(ModuleKind kind, const std::string& file, const std::string& name);
    [[nodiscard]] std::uint32_t domain_index(const std::string& name) const;
    /// The same for what may also be init.
    [[nodiscard]] std::uint32_t chaos_target(const std::string& name) const {
        return name == init_name ? protocol::no_index : domain_index(name);
    }

    template <typename Record>
    ManifestTable table(const std::vector<Record>& records) {
        image_.resize(align_up(image_.size(), 8));
        const ManifestTable where{static_cast<std::uint32_t>(image_.size()),
                                  static_cast<std::uint32_t>(records.size())};
        image_.append(reinterpret_cast<const char*>(records.data()), records.size() * sizeof(Record));
        return where;
    }

    const Model& model_;
    CompileResult& result_;
    std::string image_ = std::string(sizeof(ManifestHeader), '\0');
    std::map<std::string, std::uint32_t> service_index_;
    std::vector<DomainRecord> domains_;
    std::vector<DeviceRecord> devices_;
    std::vector<ServiceRecord> services_;
    std::vector<ConnectionRecord> connections_;
    std::vector<VmRecord> vms_;
    std::vector<ChaosRecord> chaos_;
};

ManifestText Encoder::text(std::string_view text) {
    const ManifestText where{static_cast<std::uint32_t>(image_.size()), static_cast<std::uint32_t>(text.size())};
    image_ += text;
    return where;
}

std::string Encoder::module(ModuleKind kind, const std::string& file, const std::string& name) {
    auto same = [&](const BootModule& module) { return module.kind == kind && module.file == file; };
    auto found = std::ranges::find_if(result_.modules, same);
    if (found != result_.modules.end()) return found->name;
    result_.modules.push_back({name, kind, file});
    return name;
}

std::uint32_t Encoder::domain_index(const std::string& name) const {
    auto found = std::ranges::find_if(model_.domains, [&](const Domain& domain) { return domain.name == name; });
    return static_cast<std::uint32_t>(found - model_.domains.begin());
}

void Encoder::domain(const Domain& domain) {
    const auto index = static_cast<std::uint32_t>(domains_.size());
    DomainRecord record{};
    record.name = text(domain.name);
    record.program = text(module(ModuleKind::Program, domain.program.text, domain.program.text));
    record.arguments = text(domain.arguments);
    record.memory_bytes = domain.memory_bytes;
    record.state_bytes = domain.state_bytes;
    record.quota_pages = domain.quota_bytes / page_size_bytes;
    record.cpus = domain.cpus;
    record.budget_ns = domain.schedule.budget_ns;
    record.period_ns = domain.schedule.period_ns;
    record.heartbeat_ns = domain.heartbeat_ns;
    record.restart_window_ns = domain.restart.window_ns;
    record.restart_limit = domain.restart.limit;
    record.may = domain.may;
    record.first_cpu = domain.first_cpu;
    record.vm = domain.vm;
    record.restart = domain.restart.policy;
    record.priority = domain.schedule.priority;
    domains_.push_back(record);
    for (const Device& device : domain.devices) {
        DeviceRecord item{};
        item.name = text(device.name);
        item.first = device.first;
        item.count = device.count;
        item.domain = index;
        item.kind = device.kind;
        item.trigger = device.trigger;
        devices_.push_back(item);
    }
    for (const Name& service : domain.provides) {
        service_index_[service.text] = static_cast<std::uint32_t>(services_.size());
        services_.push_back({text(service.text), index, 0});
    }
}

/// A client's badge: the console channel for a monitor (1 for the first virtual machine, ...), and for others a number
/// behind all channels. It never changes, so a restarted service knows its clients again.
void Encoder::connections() {
    for (std::uint32_t client = 0; client < model_.domains.size(); ++client) {
        const Domain& domain = model_.domains[client];
        const std::uint64_t badge = domain.vm != no_index ? 1 + domain.vm : max_console_channels + client;
        for (const Name& service : domain.uses)
            connections_.push_back({client, service_index_.at(service.text), badge});
    }
}

void Encoder::vm(const VirtualMachine& vm, std::uint32_t index) {
    VmRecord record{};
    record.name = text(vm.name);
    record.kernel = text(module(ModuleKind::Kernel, vm.kernel.text, "kernel:" + vm.name));
    record.initrd = text(vm.initrd.text.empty() ? "" : module(ModuleKind::Initrd, vm.initrd.text, "initrd:" + vm.name));
    record.command_line = text(vm.command_line);
    record.memory_bytes = vm.memory_bytes;
    // The state pages and the page tables of the guest-physical space: 8 bytes per 4K page at worst, and some more.
    record.quota_pages = guest_quota_bytes(vm) / page_size_bytes;
    record.budget_ns = vm.schedule.budget_ns;
    record.period_ns = vm.schedule.period_ns;
    record.restart_window_ns = vm.restart.window_ns;
    record.restart_limit = vm.restart.limit;
    record.monitor = static_cast<std::uint32_t>(model_.domains.size() - model_.vms.size()) + index;
    record.vcpu_count = static_cast<std::uint32_t>(vm.cpus.size());
    std::ranges::copy(vm.cpus, record.cpus);
    record.profile = vm.profile;
    record.priority = vm.schedule.priority;
    record.on_power_off = vm.on_power_off;
    record.on_failure = vm.on_failure;
    record.on_reset = vm.on_reset;
    vms_.push_back(record);
    result_.virtual_machines.push_back(vm.name);
}

void Encoder::run() {
    ManifestHeader header{};
    header.magic = ManifestHeader::expected_magic;
    header.version = ManifestHeader::expected_version;
    header.name = text(model_.name);
    for (const Domain& item : model_.domains) domain(item);
    connections();
    for (std::uint32_t index = 0; index < model_.vms.size(); ++index) vm(model_.vms[index], index);
    for (const Chaos& chaos : model_.chaos)
        chaos_.push_back({chaos.delay_ns, chaos.interval_ns, chaos_target(chaos.domain.text), chaos.count});

    header.domains = table(domains_);
    header.devices = table(devices_);
    header.services = table(services_);
    header.connections = table(connections_);
    header.vms = table(vms_);
    header.chaos = table(chaos_);
    header.size_bytes = static_cast<std::uint32_t>(image_.size());
    std::memcpy(image_.data(), &header, sizeof(header));

    const auto* bytes = reinterpret_cast<const std::byte*>(image_.data());
    result_.bytes.assign(bytes, bytes + image_.size());
}

}  // namespace

void encode(const Model& model, CompileResult& result) { Encoder{model, result}.run(); }

}  // namespace bulkhead::manifest
