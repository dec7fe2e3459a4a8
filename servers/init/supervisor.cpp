// SPDX-License-Identifier: Apache-2.0
#include "servers/init/supervisor.hpp"

#include <algorithm>

#include "runtime/program.hpp"
#include "runtime/time.hpp"
#include "servers/init/backtrace.hpp"
#include "servers/init/halt.hpp"
#include "servers/init/say.hpp"

namespace bulkhead::init {
namespace {

using protocol::ManifestReader;
using protocol::VmEnd;
using protocol::VmPolicy;

/// How long a component may take to be ready for the end of the machine.
constexpr uint64_t stop_limit_ns = 1'000'000'000;

void say_problem(const char* kind, std::string_view name, const Problem& problem) {
    say("cannot start {}{}: {}: {}", kind, name, problem.what, problem.reason);
}

}  // namespace

void Supervisor::start_all() {
    const ManifestReader& manifest = resources_.manifest;
    for (uint32_t index = 0; index < manifest.domains().size(); ++index) components_[index].initialize(index, manifest);
    for (uint32_t index = 0; index < manifest.vms().size(); ++index)
        vms_[index].initialize(manifest, manifest.vms()[index]);
    for (uint32_t index = 0; index < manifest.domains().size(); ++index) {
        if (components_[index].record().vm == protocol::no_index) start(components_[index]);
    }
    for (uint32_t index = 0; index < manifest.vms().size(); ++index) start_vm(index);
    all_started_ = true;
    if (wants_halt_ && !any_vm()) halt(wanted_status_);
    const uint64_t now = runtime::now_ns();
    for (uint32_t index = 0; index < manifest.chaos().size(); ++index)
        chaos_[index] = {manifest.chaos()[index].domain, 0, now + manifest.chaos()[index].delay_ns};
}

void Supervisor::run() {
    for (;;) {
        const uint64_t deadline_ns = next_deadline_ns();
        const uint64_t deadline = deadline_ns == UINT64_MAX ? abi::no_deadline : runtime::ns_to_ticks(deadline_ns);
        const uint64_t bits = wake_.wait(~uint64_t{0}, deadline).value_or(0);
        if ((bits & Wake::Halt) != 0) {
            say("a component asks to halt the machine");
            halt(halt_status());
        }
        take_events();
        take_reports();
        check_heartbeats();
        run_chaos();
    }
}

// ---- Life and death ------------------------------------------------------------------------------------------------

VirtualMachine* Supervisor::vm_of(const Component& component) {
    const uint32_t vm = component.record().vm;
    return vm == protocol::no_index ? nullptr : &vms_[vm];
}

bool Supervisor::any_vm() const {
    return std::any_of(std::begin(vms_), std::end(vms_), [](const VirtualMachine& vm) { return vm.exists(); });
}

void Supervisor::start(Component& component) {
    const Outcome started = component.start(resources_, vm_of(component));
    if (!started.ok()) {
        say_problem("", component.name(), started.error());
        give_up(component);
        return;
    }
    say("{}: started", component.name());
    connect_all(component);
}

void Supervisor::start_vm(uint32_t index) {
    VirtualMachine& vm = vms_[index];
    if (!has_modules(vm)) return vm_not_started(vm);
    say("vm {}: making it, tick {}", vm.name(), runtime::now_ticks());
    const Outcome made = vm.create(resources_.memory);
    if (!made.ok()) {
        say_problem("vm ", vm.name(), made.error());
        return vm_not_started(vm);
    }
    start(components_[vm.record().monitor]);
}

/// Whether the boot loader brought what the machine is made of; the log names what is missing.
bool Supervisor::has_modules(const VirtualMachine& vm) {
    bool complete = true;
    for (const auto text : {vm.record().kernel, vm.record().initrd}) {
        const std::string_view name = resources_.manifest.text(text);
        if (name.empty() || resources_.modules.entry(name) != nullptr) continue;
        say("cannot start vm {}: there is no boot module {}", vm.name(), name);
        complete = false;
    }
    return complete;
}

void Supervisor::vm_not_started(const VirtualMachine& vm) {
    if (vm.record().on_failure == VmPolicy::HaltSystem) halt_without_vms(1);
}

/// A machine whose end halts the system has ended. While others are still being started, it is not known whether it was
/// the last one.
void Supervisor::halt_without_vms(uint8_t status) {
    wants_halt_ = true;
    wanted_status_ = status;
    if (all_started_ && !any_vm()) halt(status);
}

void Supervisor::stop(Component& component) {
    disconnect(component);
    // Until the next console or driver is there, the kernel prints its log by itself.
    if (carries_the_log(component))
        static_cast<void>(runtime::invoke(abi::SetLogOutput{abi::WellKnownSlot::Machine, true, 0, 0}));
    component.stop(resources_.memory);
}

/// A component is finished for good; if it is a monitor, its virtual machine has failed with it.
void Supervisor::give_up(Component& component) {
    component.given_up = true;
    const uint32_t vm = component.record().vm;
    if (vm != protocol::no_index && vms_[vm].exists()) vm_ended(vm, VmEnd::Broken);
}

void Supervisor::component_ended(Component& component, EndKind end) {
    const protocol::DomainRecord& record = component.record();
    stop(component);
    if (!wants_restart(record.restart, end)) {
        give_up(component);
    } else if (!component.history.allow(runtime::now_ns(), record.restart_limit, record.restart_window_ns)) {
        say("{}: {} restarts are the limit, giving it up", component.name(), record.restart_limit);
        give_up(component);
    } else {
        say("{}: restarting", component.name());
        start(component);
    }
}

void Supervisor::vm_ended(uint32_t index, VmEnd end) {
    VirtualMachine& vm = vms_[index];
    const protocol::VmRecord& record = vm.record();
    const VmPolicy policy = end == VmEnd::PowerOff ? record.on_power_off
                            : end == VmEnd::Reset  ? record.on_reset
                                                   : record.on_failure;
    Component& monitor = components_[record.monitor];
    vm.log_memory();
    if (monitor.running()) {
        monitor.log_memory();
        stop(monitor);
    }
    vm.destroy(resources_.memory);
    if (policy == VmPolicy::Restart) {
        restart_vm(index);
        return;
    }
    say("vm {}: has ended ({})", vm.name(), protocol::name(end));
    if (policy == VmPolicy::HaltSystem) halt_without_vms(end == VmEnd::PowerOff || end == VmEnd::Reset ? 0 : 1);
}

void Supervisor::restart_vm(uint32_t index) {
    VirtualMachine& vm = vms_[index];
    if (vm_history_[index].allow(runtime::now_ns(), vm.record().restart_limit, vm.record().restart_window_ns)) {
        say("vm {}: restarting", vm.name());
        start_vm(index);
        return;
    }
    say("vm {}: {} restarts are the limit, giving it up", vm.name(), vm.record().restart_limit);
    if (vm.record().on_failure == VmPolicy::HaltSystem) halt_without_vms(1);
}

// ---- What the handlers left ----------------------------------------------------------------------------------------

void Supervisor::take_events() {
    for (uint32_t cpu = 0; cpu < runtime::environment().cpu_count; ++cpu) {
        Event event{};
        while (event_queue(cpu).take(event)) {
            const Component& sender = components_[event.component];
            if (!sender.running() || sender.generation() != event.generation) {
                runtime::Capability{event.capability}.forget();
            } else if (event.kind == Event::Kind::Offer) {
                offer(event);
            } else {
                watch(event);
            }
        }
    }
}

void Supervisor::take_reports() {
    for (uint32_t index = 0; index < resources_.manifest.domains().size(); ++index) {
        Component& component = components_[index];
        if (!component.running()) continue;
        report_dropped_log(component);
        // At most one of them counts: each ends this generation.
        static_cast<void>(take_fault(component) || take_vm_end(component) || take_exit(component));
    }
}

bool Supervisor::take_fault(Component& component) {
    const FaultReport* report = component.box().fault.read();
    if (report == nullptr || report->generation != component.generation()) return false;
    log_fault(component, *report);
    component_ended(component, EndKind::Failed);
    return true;
}

bool Supervisor::take_vm_end(Component& component) {
    const VmEndReport* report = component.box().vm_end.read();
    if (report == nullptr || report->generation != component.generation()) return false;
    char details[sizeof(report->details)];
    runtime::TextSink sink{details, sizeof(details)};
    for (uint32_t index = 0; index < report->size; ++index)
        sink.put(static_cast<unsigned char>(report->details[index]) >= 0x20 ? report->details[index] : ' ');
    say("vm {}: {}: {}", vms_[component.record().vm].name(), protocol::name(report->end), sink.text());
    vm_ended(component.record().vm, report->end);
    return true;
}

bool Supervisor::take_exit(Component& component) {
    const ExitReport* report = component.box().exit.read();
    if (report == nullptr || report->generation != component.generation()) return false;
    say("{}: exit with status {}", component.name(), report->status);
    component_ended(component, report->status == 0 ? EndKind::Finished : EndKind::Failed);
    return true;
}

void Supervisor::report_dropped_log(Component& component) {
    const uint64_t dropped = component.box().log_bytes_dropped.exchange(0);
    if (dropped != 0) say("{}: {} bytes of its log were dropped, it logs too much", component.name(), dropped);
}

// ---- Connections ---------------------------------------------------------------------------------------------------

void Supervisor::offer(const Event& event) {
    abi::Selector& portal = services_[event.service].portals[event.cpu];
    runtime::Capability{portal}.forget();
    portal = event.capability;
    connect(event.service, event.cpu);
}

void Supervisor::watch(const Event& event) {
    Component& component = components_[event.component];
    runtime::Capability{component.watcher}.forget();
    component.watcher = event.capability;
    component.watch_bits = event.bits;
    component.stop_bits = event.stop_bits;
    // Connections made before it asked count too.
    static_cast<void>(runtime::invoke(abi::Signal{component.watcher, component.watch_bits}));
}

bool Supervisor::connect_one(Component& client, uint32_t position, const protocol::ConnectionRecord& connection,
                             uint32_t cpu) {
    const abi::Selector portal = services_[connection.service].portals[cpu];
    if (portal == abi::null_selector || ((client.cpus() >> cpu) & 1) == 0) return false;
    const auto granted = client.child().grant_portal(client.connection_slot(position) + cpu, portal, connection.badge);
    if (!granted.ok())
        say("cannot connect {} to {} on CPU {}: {}", client.name(),
            resources_.manifest.text(resources_.manifest.services()[connection.service].name), cpu, granted.error());
    return granted.ok();
}

/// Connects all clients of a service with its portal for one CPU.
void Supervisor::connect(uint32_t service, uint32_t cpu) {
    uint32_t positions[protocol::ManifestLimit::domains] = {};
    for (const protocol::ConnectionRecord& connection : resources_.manifest.connections()) {
        Component& client = components_[connection.client];
        const uint32_t position = positions[connection.client]++;
        if (connection.service != service || !client.running()) continue;
        if (connect_one(client, position, connection, cpu) && client.watcher != abi::null_selector)
            static_cast<void>(runtime::invoke(abi::Signal{client.watcher, client.watch_bits}));
    }
}

/// Connects a client that has just been started with all services that run.
void Supervisor::connect_all(Component& client) {
    uint32_t position = 0;
    for (const protocol::ConnectionRecord& connection : resources_.manifest.connections()) {
        if (connection.client != client.index()) continue;
        for (uint32_t cpu = 0; cpu < runtime::environment().cpu_count; ++cpu)
            static_cast<void>(connect_one(client, position, connection, cpu));
        ++position;
    }
}

void Supervisor::disconnect(const Component& provider) {
    for (uint32_t index = 0; index < resources_.manifest.services().size(); ++index) {
        if (resources_.manifest.services()[index].domain != provider.index()) continue;
        for (abi::Selector& portal : services_[index].portals) {
            if (portal != abi::null_selector) runtime::Capability{portal}.forget();
            portal = abi::null_selector;
        }
    }
}

/// Whether the system log does not reach people without this component: the reader of the kernel's log, and what it
/// calls.
bool Supervisor::carries_the_log(const Component& component) const {
    constexpr auto read_log = static_cast<uint32_t>(protocol::MayFlag::ReadLog);
    if ((component.record().may & read_log) != 0) return true;
    for (const protocol::ConnectionRecord& connection : resources_.manifest.connections()) {
        if (resources_.manifest.services()[connection.service].domain == component.index() &&
            (resources_.manifest.domains()[connection.client].may & read_log) != 0)
            return true;
    }
    return false;
}

// ---- Time ----------------------------------------------------------------------------------------------------------

uint64_t Supervisor::next_deadline_ns() const {
    uint64_t next = UINT64_MAX;
    for (uint32_t index = 0; index < resources_.manifest.domains().size(); ++index) {
        const Component& component = components_[index];
        if (!component.running() || component.record().heartbeat_ns == 0) continue;
        next = std::min(next,
                        runtime::ticks_to_ns(component.box().heartbeat_ticks.load()) + component.record().heartbeat_ns);
    }
    for (uint32_t index = 0; index < resources_.manifest.chaos().size(); ++index) {
        if (chaos_[index].done < resources_.manifest.chaos()[index].count) next = std::min(next, chaos_[index].next_ns);
    }
    return next;
}

void Supervisor::check_heartbeats() {
    for (uint32_t index = 0; index < resources_.manifest.domains().size(); ++index) {
        Component& component = components_[index];
        const uint64_t limit = component.record().heartbeat_ns;
        if (!component.running() || limit == 0) continue;
        if (runtime::now_ns() < runtime::ticks_to_ns(component.box().heartbeat_ticks.load()) + limit) continue;
        say("{}: no heartbeat for {} ms", component.name(), limit / runtime::ns_per_ms);
        component_ended(component, EndKind::Failed);
    }
}

void Supervisor::run_chaos() {
    for (uint32_t index = 0; index < resources_.manifest.chaos().size(); ++index) {
        const protocol::ChaosRecord& record = resources_.manifest.chaos()[index];
        ChaosPlan& plan = chaos_[index];
        if (plan.done >= record.count || runtime::now_ns() < plan.next_ns) continue;
        plan.next_ns = runtime::now_ns() + record.interval_ns;
        ++plan.done;
        if (plan.component == protocol::no_index) {
            say("chaos: init itself dies");
            runtime::stop_by_fault();
        }
        Component& victim = components_[plan.component];
        if (!victim.running()) continue;
        say("chaos: killing {} ({} of {})", victim.name(), plan.done, record.count);
        stop(victim);
        start(victim);
    }
}

// ---- The end -------------------------------------------------------------------------------------------------------

bool Supervisor::has_unstopped_client(const Component& component) const {
    for (const protocol::ConnectionRecord& connection : resources_.manifest.connections()) {
        const Component& client = components_[connection.client];
        if (resources_.manifest.services()[connection.service].domain == component.index() && client.running() &&
            client.stop_bits != 0 && !client.box().stopped.load())
            return true;
    }
    return false;
}

/// Clients first: what they still send must get through.
Component* Supervisor::next_to_stop() {
    for (uint32_t index = 0; index < resources_.manifest.domains().size(); ++index) {
        Component& component = components_[index];
        if (component.running() && component.stop_bits != 0 && !component.box().stopped.load() &&
            !has_unstopped_client(component))
            return &component;
    }
    return nullptr;
}

/// What is left besides the machines, which spoke when they ended. Init's own quota is the kernel's whole pool.
void Supervisor::log_memory() const {
    for (const Component& component : components_) {
        if (component.running()) component.log_memory();
    }
    const uint64_t pool = resources_.root.quota_pages;
    say("memory: {} of {} kernel pages in use or promised, {} MiB of RAM free",
        pool - runtime::Domain{runtime::self}.free_quota_pages().value_or(pool), pool,
        resources_.memory.free_bytes() >> 20);
}

void Supervisor::halt(uint8_t status) {
    log_memory();
    say("halting the machine, status {}", status);
    while (Component* component = next_to_stop()) {
        static_cast<void>(runtime::invoke(abi::Signal{component->watcher, component->stop_bits}));
        const uint64_t deadline = runtime::deadline_in(stop_limit_ns);
        while (!component->box().stopped.load() && runtime::now_ticks() < deadline)
            static_cast<void>(wake_.wait(~uint64_t{0}, deadline));
        component->box().stopped.store(true);  // in time or not
    }
    halt_machine(status);
}

}  // namespace bulkhead::init
