// SPDX-License-Identifier: Apache-2.0
// A virtual machine of profile `micro`: all device models, wired together over the device-state memory. It knows no
// system call, so that unit tests run whole machines; vmm/exit drives it from exits, vmm/control from the console.
//
// Concurrency: everything but `lookup` of CPUID happens under the machine lock, inside a transaction of one journal.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "vmm/arch/x86/cpuid_policy.hpp"
#include "vmm/device/mmio_map.hpp"
#include "vmm/device/pci/bus.hpp"
#include "vmm/device/port_map.hpp"
#include "vmm/loader/linux.hpp"
#include "vmm/vm/device_memory.hpp"
#include "vmm/vm/guest_memory.hpp"
#include "vmm/vm/line.hpp"

namespace bulkhead::vmm {

/// The seams of a whole machine.
struct MachineEnvironment {
    Outside& outside;
    TimeSource& time;
    Log& log;
    HostCpu& host;
};

struct MachineConfiguration {
    unsigned vcpu_count = 1;
    bool debug_exit = false;
    bool rdtscp = true;
    bool invpcid = false;
};

class Machine final : private Outside {
  public:
    /// `apic_pages`: the virtual-APIC page of each vCPU.
    Machine(DeviceMemory& state, const GuestMemory& memory, std::span<volatile uint32_t* const> apic_pages,
            const MachineConfiguration& configuration, const MachineEnvironment& environment);
    Machine(const Machine&) = delete;

    /// Puts all devices into their reset state and loads the guest; after this DeviceMemory::started() is true.
    Result<void, LinuxError> power_on(const LinuxImage& image);
    /// For a successor of a monitor that died: undoes what was begun and not committed.
    void recover();

    struct Vcpu {
        Vcpu(unsigned index, Machine& machine, volatile uint32_t* apic_page);
        LocalApic apic;
        VcpuLifecycle lifecycle;
        PvClock clock;
        MsrPolicy msrs;
        CpuidTable cpuid;
        Journal journal;
    };
    Vcpu& vcpu(unsigned index) { return *vcpus_[index]; }
    unsigned vcpu_count() const { return configuration_.vcpu_count; }

    const GuestMemory& memory() const { return memory_; }
    const LinuxEntry& entry() const { return state_.entry; }
    PortMap& ports() { return ports_; }
    MmioMap& mmio() { return mmio_; }
    Ioapic& ioapic() { return ioapic_; }
    Uart& uart() { return uart_; }
    Power& power() { return power_; }
    UartState& uart_state() { return state_.uart; }
    UartOutput& uart_output() { return state_.uart_output; }
    UartInput& uart_input() { return state_.uart_input; }
    Log& log() { return environment_.log; }

    /// Opens a transaction of a journal: all state changes go into it until it ends with commit.
    void begin(Journal& journal, uint64_t sequence);
    /// Commits, and performs the effects.
    void commit(Journal& journal, const ExitResult& result);
    /// Performs the effects of the last commit (again).
    void perform_effects(const Journal& journal);

    /// A transaction of the monitor's own thread.
    template <typename Action>
    void service(Action action) {
        begin(service_journal_, service_journal_.next_own_sequence());
        action();
        commit(service_journal_, {});
    }
    /// Posts periodic timer ticks that are due; returns when the next one is (host TSC), or no_timer.
    uint64_t periodic_ticks(uint64_t now_tsc);
    /// Stops the machine, with a line that says why; parks of the vCPUs are up to their exits.
    void end(MachineEnd why, std::string_view line);
    bool ended() const { return state_.power.ending != 0; }
    MachineEnd end_reason() const { return static_cast<MachineEnd>(state_.power.ending - 1); }
    std::string_view end_line() const { return end_line_.view(); }

  private:
    /// What the models want done: goes into the open journal, or out at once if none is open.
    void perform(const Effect& effect) override;
    void perform_now(const Effect& effect);
    void connect();

    DeviceMemory& state_;
    const GuestMemory& memory_;
    MachineConfiguration configuration_;
    MachineEnvironment environment_;
    JournalSlot slot_;
    Journal service_journal_;
    InterruptFabric fabric_;
    Ioapic ioapic_;
    Rtc rtc_;
    Power power_;
    SleepPorts sleep_ports_;
    PowerPort post_port_, fast_reset_port_, reset_port_, debug_exit_port_;
    Uart uart_;
    HostBridge host_bridge_;
    PciBus pci_;
    PortMap ports_;
    MmioMap mmio_;
    std::array<std::optional<Vcpu>, max_vcpus> vcpus_;
    Line end_line_;
};

}  // namespace bulkhead::vmm
