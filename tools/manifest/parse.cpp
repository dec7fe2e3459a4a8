// SPDX-License-Identifier: Apache-2.0
// TOML to model, one function per kind of table.
#include <toml++/toml.h>

#include <algorithm>

#include "tools/manifest/model.hpp"
#include "tools/manifest/table_reader.hpp"
#include "tools/manifest/units.hpp"

namespace bulkhead::manifest {
namespace {

using protocol::ManifestLimit;

constexpr std::uint32_t highest_cpu = ManifestLimit::cpus - 1;
constexpr std::size_t file_limit = 200;

class Parser {
  public:
    explicit Parser(Diagnostics& diagnostics) : diagnostics_{diagnostics} {}

    Model system(const toml::table& root);

  private:
    void machine(const toml::table& table, Model& model);
    Domain domain(const toml::table& table, std::string_view name, Place place);
    Device device(const toml::table& table, const std::string& domain);
    VirtualMachine vm(const toml::table& table, std::string_view name, Place place);
    Chaos chaos(const toml::table& table);
    RestartRule restart(TableReader& reader, const std::string& what);
    void schedule(TableReader& reader, Schedule& schedule);
    void cpus(TableReader& reader, Domain& domain);

    /// Calls `item(table, name, place)` for each [section.NAME].
    template <typename Function>
    void named_tables(const toml::table& root, std::string_view section, std::size_t name_limit, Function item);
    /// Calls `item(table)` for each table of an array.
    template <typename Function>
    void tables(const toml::node& node, std::string_view key, Function item);

    Diagnostics& diagnostics_;
};

template <typename Function>
void Parser::named_tables(const toml::table& root, std::string_view section, std::size_t name_limit, Function item) {
    const toml::node* node = root.get(section);
    if (node == nullptr) return;
    const std::string form = "[" + std::string{section} + ".NAME] followed by its keys";
    const auto* sections = node->as_table();
    if (sections == nullptr) {
        diagnostics_.add(place_of(*node), "'" + std::string{section} + "' is not a group of tables", form);
        return;
    }
    for (const auto& [key, value] : *sections) {
        const Place place = place_of(key.source());
        if (!is_name(key.str(), name_limit)) {
            diagnostics_.add(place, "wrong name '" + std::string{key.str()} + "'", name_rule(name_limit));
        } else if (const auto* table = value.as_table()) {
            item(*table, key.str(), place);
        } else {
            diagnostics_.add(place, "'" + std::string{section} + "." + std::string{key.str()} + "' is not a table",
                             form);
        }
    }
}

template <typename Function>
void Parser::tables(const toml::node& node, std::string_view key, Function item) {
    const auto* array = node.as_array();
    if (array == nullptr) {
        diagnostics_.add(place_of(node), "'" + std::string{key} + "' is not a list of tables",
                         "[{ KEY = VALUE, ... }, ...]");
        return;
    }
    for (const toml::node& element : *array) {
        if (const auto* table = element.as_table()) {
            item(*table);
        } else {
            diagnostics_.add(place_of(element), "'" + std::string{key} + "' holds something that is not a table",
                             "{ KEY = VALUE, ... }");
        }
    }
}

void Parser::machine(const toml::table& table, Model& model) {
    TableReader reader{table, "[machine]", diagnostics_};
    if (const toml::node* node = table.get("memory")) model.machine_memory_place = place_of(*node);
    reader.size("memory", model.machine_memory_bytes, 64 << 20);
    std::uint64_t count = 0;
    if (reader.number("cpus", count, 1, ManifestLimit::cpus)) model.machine_cpus = static_cast<unsigned>(count);
    reader.finish();
}

RestartRule Parser::restart(TableReader& reader, const std::string& what) {
    RestartRule rule;
    const std::vector<std::string_view> policies{"never", "on-failure", "always"};
    const toml::node* node = reader.find("restart");
    if (node == nullptr) return rule;
    if (const auto* table = node->as_table()) {
        TableReader details{*table, what + ", restart", diagnostics_};
        details.word("policy", rule.policy, policies);
        std::uint64_t limit = rule.limit;
        if (details.number("limit", limit, 1, 1000)) rule.limit = static_cast<std::uint32_t>(limit);
        details.duration("within", rule.window_ns);
        details.finish();
    } else if (node->is_string()) {
        reader.word("restart", rule.policy, policies);
    } else {
        reader.wrong(*node, "restart", list_text(policies) + ", or { policy = ..., limit = 5, within = \"10s\" }");
    }
    return rule;
}

void Parser::schedule(TableReader& reader, Schedule& schedule) {
    std::uint64_t priority = schedule.priority;
    // 250 and above are init's own: it must be able to stop whoever runs wild.
    if (reader.number("priority", priority, 1, 249)) schedule.priority = static_cast<std::uint8_t>(priority);
    bool has_budget = reader.duration("budget", schedule.budget_ns);
    bool has_period = reader.duration("period", schedule.period_ns);
    if (has_budget != has_period || schedule.budget_ns > schedule.period_ns) {
        diagnostics_.add(reader.place(), "budget without period, or greater than its period",
                         "budget = \"2ms\", period = \"10ms\"; neither for no limit");
    }
}

void Parser::cpus(TableReader& reader, Domain& domain) {
    const toml::node* node = reader.find("cpus");
    domain.cpus_place = node != nullptr ? place_of(*node) : domain.place;
    if (node == nullptr) return;
    if (const auto* string = node->as_string(); string != nullptr && string->get() == "all") {
        domain.cpus = all_cpus;
        return;
    }
    std::vector<std::uint32_t> list;
    if (!reader.numbers("cpus", list, highest_cpu)) return;
    domain.cpus = 0;
    domain.first_cpu = list.front();
    for (std::uint32_t cpu : list) {
        if (((domain.cpus >> cpu) & 1) != 0)
            diagnostics_.add(domain.cpus_place, "CPU " + std::to_string(cpu) + " is listed twice");
        domain.cpus |= 1ull << cpu;
    }
}

Device Parser::device(const toml::table& table, const std::string& domain) {
    TableReader reader{table, "domain '" + domain + "', device", diagnostics_};
    Device device;
    device.place = reader.place();
    Name name;
    if (reader.name("name", name, ManifestLimit::name)) device.name = name.text;
    reader.require("name", name_rule(ManifestLimit::name));

    int kinds = 0;
    if (const toml::node* node = reader.find("ports")) {
        ++kinds;
        const auto* string = node->as_string();
        auto range = string != nullptr ? parse_port_range(string->get()) : std::nullopt;
        if (!range) reader.wrong(*node, "ports", "a range in hexadecimal, such as \"3f8-3ff\"");
        device.kind = protocol::DeviceKind::Ports;
        if (range) device.first = range->first, device.count = range->second - range->first + 1;
    }
    if (table.contains("interrupt")) ++kinds, device.kind = protocol::DeviceKind::Interrupt;
    if (reader.number("interrupt", device.first, 0, 255)) device.count = 1;
    if (const toml::node* node = reader.find("memory")) {
        ++kinds;
        const auto* string = node->as_string();
        auto address = string != nullptr ? parse_hexadecimal(string->get()) : std::nullopt;
        device.kind = protocol::DeviceKind::Memory;
        if (!address || *address % page_size_bytes != 0 || *address >= 1ull << 52) {
            reader.wrong(*node, "memory", "a physical address in hexadecimal on a 4K boundary, such as \"fed40000\"");
        } else {
            device.first = *address;
        }
        reader.require("size", "the size of the device memory, such as \"4K\"");
    }
    reader.size("size", device.count, page_size_bytes);
    if (table.contains("size") && device.kind != protocol::DeviceKind::Memory)
        diagnostics_.add(device.place, "domain '" + domain + "': only device memory has a size");
    reader.word("trigger", device.trigger, {"default", "edge-high", "edge-low", "level-high", "level-low"});
    if (kinds != 1)
        diagnostics_.add(device.place, "domain '" + domain + "': a device is exactly one of these",
                         "ports = \"3f8-3ff\"; interrupt = 4; memory = \"fed40000\" with size = \"4K\"");
    reader.finish();
    return device;
}

Domain Parser::domain(const toml::table& table, std::string_view name, Place place) {
    Domain domain;
    domain.place = place;
    domain.name = std::string{name};
    const std::string what = "domain '" + domain.name + "'";
    if (name == init_name) diagnostics_.add(place, what + ": this is the root task's name", "any other name");
    TableReader reader{table, what, diagnostics_};
    reader.require("program", "the name of a program of this system, such as \"uart\"");
    reader.name("program", domain.program, ManifestLimit::module_name);
    reader.text("arguments", domain.arguments, ManifestLimit::arguments);
    reader.size("memory", domain.memory_bytes, 64 << 10);
    reader.size("state", domain.state_bytes, page_size_bytes);
    reader.size("quota", domain.quota_bytes, 256 << 10);
    reader.duration("heartbeat", domain.heartbeat_ns);
    cpus(reader, domain);
    schedule(reader, domain.schedule);
    domain.restart = restart(reader, what);
    reader.names("provides", domain.provides, ManifestLimit::name);
    reader.names("uses", domain.uses, ManifestLimit::name);
    std::vector<Name> may;
    reader.names("may", may, ManifestLimit::name);
    for (const Name& right : may) {
        if (right.text == "halt") {
            domain.may |= static_cast<std::uint32_t>(protocol::MayFlag::Halt);
        } else if (right.text == "read-log") {
            domain.may |= static_cast<std::uint32_t>(protocol::MayFlag::ReadLog);
        } else {
            diagnostics_.add(right.place, what + ": unknown right '" + right.text + "'", "halt, read-log");
        }
    }
    if (const toml::node* node = reader.find("devices"))
        tables(*node, "devices", [&](const toml::table& item) { domain.devices.push_back(device(item, domain.name)); });
    reader.finish();
    return domain;
}

VirtualMachine Parser::vm(const toml::table& table, std::string_view name, Place place) {
    VirtualMachine vm;
    vm.place = place;
    vm.name = std::string{name};
    const std::string what = "virtual machine '" + vm.name + "'";
    TableReader reader{table, what, diagnostics_};
    reader.require("memory", "the guest's RAM, such as \"256M\"");
    reader.size("memory", vm.memory_bytes, 16 << 20);
    std::uint64_t vcpus = 0;
    const bool has_vcpus = reader.number("vcpus", vcpus, 1, protocol::max_vcpus);
    if (has_vcpus) vm.vcpus = static_cast<unsigned>(vcpus);
    const toml::node* cpus_node = table.get("cpus");
    vm.cpus_place = cpus_node != nullptr ? place_of(*cpus_node) : place;
    if (reader.numbers("cpus", vm.cpus, highest_cpu)) {
        if ((has_vcpus && vm.cpus.size() != vm.vcpus) || vm.cpus.size() > protocol::max_vcpus)
            diagnostics_.add(vm.cpus_place, what + ": 'cpus' does not name one CPU per vCPU",
                             "as many numbers as 'vcpus' says, at most " + std::to_string(protocol::max_vcpus));
        vm.cpus.resize(std::min(vm.cpus.size(), protocol::max_vcpus));
        vm.vcpus = static_cast<unsigned>(vm.cpus.size());
    }
    auto file = [&](std::string_view key, Name& value) {
        if (const toml::node* node = table.get(key)) value.place = place_of(*node);
        reader.text(key, value.text, file_limit);
    };
    reader.require("kernel", "the file of a kernel, such as \"linux-cloud/vmlinuz\"");
    file("kernel", vm.kernel);
    file("initrd", vm.initrd);
    reader.text("cmdline", vm.command_line, protocol::max_command_line - 1);
    reader.word("profile", vm.profile, {"micro"});
    if (const toml::node* node = reader.find("console")) {
        vm.console_place = place_of(*node);
        if (const auto* flag = node->as_boolean()) {
            if (!flag->get()) vm.console.clear();
        } else {
            Name service;
            if (reader.name("console", service, ManifestLimit::name)) vm.console = service.text;
        }
    } else {
        vm.console_place = place;
    }
    schedule(reader, vm.schedule);
    const std::vector<std::string_view> policies{"stop", "restart", "halt-system"};
    reader.word("on-power-off", vm.on_power_off, policies);
    reader.word("on-failure", vm.on_failure, policies);
    reader.word("on-reset", vm.on_reset, policies);
    vm.restart = restart(reader, what);
    reader.name("monitor", vm.monitor_program, ManifestLimit::module_name);
    reader.size("monitor-memory", vm.monitor_memory_bytes, 256 << 10);
    std::uint64_t priority = vm.monitor_priority;
    if (reader.number("monitor-priority", priority, 1, 249)) vm.monitor_priority = static_cast<std::uint8_t>(priority);
    reader.finish();
    return vm;
}

Chaos Parser::chaos(const toml::table& table) {
    TableReader reader{table, "[[chaos]]", diagnostics_};
    Chaos chaos;
    reader.require("kill", "the name of a domain, or \"vmm:NAME\" for the monitor of a virtual machine");
    if (const toml::node* node = table.get("kill")) chaos.domain.place = place_of(*node);
    reader.text("kill", chaos.domain.text, ManifestLimit::domain_name);
    std::uint64_t count = chaos.count;
    if (reader.number("count", count, 1, 1000)) chaos.count = static_cast<std::uint32_t>(count);
    reader.duration("interval", chaos.interval_ns);
    chaos.delay_ns = chaos.interval_ns;
    reader.duration("delay", chaos.delay_ns);
    reader.finish();
    return chaos;
}

Model Parser::system(const toml::table& root) {
    Model model;
    TableReader reader{root, "the manifest", diagnostics_};
    reader.text("name", model.name, ManifestLimit::domain_name);
    if (const toml::node* node = reader.find("machine")) {
        if (const auto* table = node->as_table()) {
            machine(*table, model);
        } else {
            reader.wrong(*node, "machine", "[machine] with the keys memory and cpus");
        }
    }
    reader.find("domain"), reader.find("vm");
    named_tables(root, "domain", ManifestLimit::name,
                 [&](const toml::table& table, std::string_view name, Place place) {
                     model.domains.push_back(domain(table, name, place));
                 });
    named_tables(root, "vm", ManifestLimit::name, [&](const toml::table& table, std::string_view name, Place place) {
        model.vms.push_back(vm(table, name, place));
    });
    if (const toml::node* node = reader.find("chaos"))
        tables(*node, "chaos", [&](const toml::table& table) { model.chaos.push_back(chaos(table)); });
    reader.finish();
    // toml++ sorts tables by name; people think in the order of the text, and the console numbers its channels by it.
    auto by_line = [](const auto& left, const auto& right) { return left.place.line < right.place.line; };
    std::ranges::stable_sort(model.domains, by_line);
    std::ranges::stable_sort(model.vms, by_line);
    return model;
}

}  // namespace

Model parse(std::string_view toml_text, std::string_view file_name, Diagnostics& diagnostics) {
    try {
        const toml::table root = toml::parse(toml_text, file_name);
        return Parser{diagnostics}.system(root);
    } catch (const toml::parse_error& error) {
        diagnostics.add(place_of(error.source()), std::string{error.description()}, "TOML, see https://toml.io");
        return {};
    }
}

}  // namespace bulkhead::manifest
