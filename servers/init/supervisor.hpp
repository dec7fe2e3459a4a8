// SPDX-License-Identifier: Apache-2.0
// The root task's main loop: starts what the manifest lists, connects it, and reacts to what the handlers report.
//
// How clients go on after a service was restarted. A client's portals live in slots of its own capability space that
// never change their meaning. When a service dies, the kernel makes them stale at once (derived from the service's
// portals), so a call fails with a status instead of hanging. The new instance offers its portals as the first one did;
// init derives one for each client, with the same badge, into the same slots, and signals the clients that asked for it
// (Watch). So a service knows its clients by the same badges, a client needs no new names, nobody polls, and the typed
// stubs (char_client.hpp) hide it but for the pause. What the service knew only in its memory is gone unless it kept it
// in its state memory; its stubs open and subscribe again when it says it does not know them.
//
// Main thread only.
#pragma once

#include "servers/init/component.hpp"

namespace bulkhead::init {

class Supervisor {
  public:
    Supervisor(Resources& resources, runtime::Notification wake) : resources_{resources}, wake_{wake} {}

    void start_all();
    [[noreturn]] void run();

  private:
    struct Service {
        abi::Selector portals[abi::maximum_cpus] = {};  ///< as offered; init slots
    };
    struct ChaosPlan {
        uint32_t component = 0;
        uint32_t done = 0;
        uint64_t next_ns = 0;
    };

    // Life and death.
    void start(Component& component);
    void start_vm(uint32_t index);
    bool has_modules(const VirtualMachine& vm);
    void vm_not_started(const VirtualMachine& vm);
    void halt_without_vms(uint8_t status);
    void stop(Component& component);
    void component_ended(Component& component, EndKind end);
    void vm_ended(uint32_t index, protocol::VmEnd end);
    void restart_vm(uint32_t index);
    void give_up(Component& component);
    VirtualMachine* vm_of(const Component& component);
    bool any_vm() const;

    // What the handlers left.
    void take_events();
    void take_reports();
    bool take_fault(Component& component);
    bool take_vm_end(Component& component);
    bool take_exit(Component& component);
    void report_dropped_log(Component& component);

    // Connections.
    void offer(const Event& event);
    void watch(const Event& event);
    void connect(uint32_t service, uint32_t cpu);
    void connect_all(Component& client);
    bool connect_one(Component& client, uint32_t position, const protocol::ConnectionRecord& connection, uint32_t cpu);
    void disconnect(const Component& provider);
    bool carries_the_log(const Component& component) const;

    // Time.
    uint64_t next_deadline_ns() const;
    void check_heartbeats();
    void run_chaos();

    // The end.
    [[noreturn]] void halt(uint8_t status);
    void log_memory() const;
    Component* next_to_stop();
    bool has_unstopped_client(const Component& component) const;

    Resources& resources_;
    runtime::Notification wake_;
    Component components_[protocol::ManifestLimit::domains];
    VirtualMachine vms_[protocol::ManifestLimit::vms];
    RestartHistory vm_history_[protocol::ManifestLimit::vms];
    bool all_started_ = false;
    bool wants_halt_ = false;  ///< a machine has ended whose policy says so
    uint8_t wanted_status_ = 0;
    Service services_[protocol::ManifestLimit::services];
    ChaosPlan chaos_[protocol::ManifestLimit::chaos];
};

}  // namespace bulkhead::init
