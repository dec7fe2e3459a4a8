// SPDX-License-Identifier: Apache-2.0
// Model to image.
#include <algorithm>
#include <cstring>
#include <map>

#include "tools/manifest/model.hpp"

namespace bulkhead::manifest {
namespace {

using namespace protocol;

/// Texts go behind the tables; their offsets are known only then, so they are collected relative to their start.
class TextPool {
  public:
    explicit TextPool(std::uint32_t base) : base_{base} {}
    ManifestText add(std::string_view text) {
        ManifestText where{base_ + static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(text.size())};
        bytes_ += text;
        return where;
    }
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

  private:
    std::uint32_t base_;
    std::string bytes_;
};

/// One boot module per file, named after its first user.
class ModuleList {
  public:
    explicit ModuleList(std::vector<BootModule>& list) : list_{list} {}
    std::string add(ModuleKind kind, const std::string& file, const std::string& name) {
        auto same = std::ranges::find_if(list_, [&](const BootModule& module) { return module.kind == kind && module.file == file; });
        if (same != list_.end()) return same->name;
        list_.push_back({name, kind, file});
        return name;
    }

  private:
    std::vector<BootModule>& list_;
};

class Encoder {
  public:
    Encoder(const Model& model, CompileResult& result)
        : model_{model}, result_{result}, texts_{text_base(model)}, modules_{result.modules} {}

    void run();

  private:
    static std::size_t device_count(const Model& model);
    static std::size_t service_count(const Model& model);
    static std::size_t connection_count(const Model& model);
    static std::uint32_t text_base(const Model& model);

    void domains();
    void domain(const Domain& domain);
    void connections();
    void vms();
    void chaos();
    [[nodiscard]] std::uint32_t domain_index(const std::string& name) const;

    template <typename Record>
    ManifestTable append(const std::vector<Record>& records) {
        ManifestTable where{static_cast<std::uint32_t>(result_.bytes.size()), static_cast<std::uint32_t>(records.size())};
        const auto* bytes = reinterpret_cast<const std::byte*>(records.data());
        result_.bytes.insert(result_.bytes.end(), bytes, bytes + records.size() * sizeof(Record));
        return where;
    }

    const Model& model_;
    CompileResult& result_;
    TextPool texts_;
    ModuleList modules_;
    std::vector<DomainRecord> domain_records_;
    std::vector<DeviceRecord> device_records_;
    std::vector<ServiceRecord> service_records_;
    std::vector<ConnectionRecord> connection_records_;
    std::vector<VmRecord> vm_records_;
    std::vector<ChaosRecord> chaos_records_;
};

std::size_t Encoder::device_count(const Model& model) {
    std::size_t count = 0;
    for (const Domain& domain : model.domains) count += domain.devices.size();
    return count;
}
std::size_t Encoder::service_count(const Model& model) {
    std::size_t count = 0;
    for (const Domain& domain : model.domains) count += domain.provides.size();
    return count;
}
std::size_t Encoder::connection_count(const Model& model) {
    std::size_t count = 0;
    for (const Domain& domain : model.domains) count += domain.uses.size();
    return count;
}

std::uint32_t Encoder::text_base(const Model& model) {
    return static_cast<std::uint32_t>(
        sizeof(ManifestHeader) + model.domains.size() * sizeof(DomainRecord) + device_count(model) * sizeof(DeviceRecord) +
        service_count(model) * sizeof(ServiceRecord) + connection_count(model) * sizeof(ConnectionRecord) +
        model.vms.size() * sizeof(VmRecord) + model.chaos.size() * sizeof(ChaosRecord));
}

std::uint32_t Encoder::domain_index(const std::string& name) const {
    auto found = std::ranges::find_if(model_.domains, [&](const Domain& domain) { return domain.name == name; });
    return static_cast<std::uint32_t>(found - model_.domains.begin());
}

void Encoder::domain(const Domain& domain) {
    const auto index = static_cast<std::uint32_t>(domain_records_.size());
    DomainRecord record{};
    record.name = texts_.add(domain.name);
    record.program = texts_.add(modules_.add(ModuleKind::Program, domain.program.text, domain.program.text));
    record.arguments = texts_.add(domain.arguments);
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
    domain_records_.push_back(record);
    for (const Device& device : domain.devices) {
        DeviceRecord item{};
        item.name = texts_.add(device.name);
        item.first = device.first;
        item.count = device.count;
        item.domain = index;
        item.kind = device.kind;
        item.trigger = device.trigger;
        device_records_.push_back(item);
    }
    for (const Name& service : domain.provides) service_records_.push_back({texts_.add(service.text), index, 0});
}

/// A client's badge: the console channel for a monitor (1 for the first virtual machine, ...), and for others a number
/// behind all channels. It never changes, so a restarted service knows its clients again.
void Encoder::connections() {
    for (std::uint32_t client = 0; client < model_.domains.size(); ++client) {
        const Domain& domain = model_.domains[client];
        const std::uint64_t badge = domain.vm != no_index ? 1 + domain.vm : max_console_channels + client;
        for (const Name& service : domain.uses) {
            auto found = std::ranges::find_if(service_records_, [&](const ServiceRecord& record) {
                const Domain& provider = model_.domains[record.domain];
                auto name = std::ranges::find_if(provider.provides, [&](const Name& provided) { return provided.text == service.text; });
                return name != provider.provides.end() &&
                       &record - &service_records_[first_service(record.domain)] == name - provider.provides.begin();
            });
            connection_records_.push_back({client, static_cast<std::uint32_t>(found - service_records_.begin()), badge});
        }
    }
}

}  // namespace
}  // namespace bulkhead::manifest
