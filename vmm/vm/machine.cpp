// SPDX-License-Identifier: Apache-2.0
#include "vmm/vm/machine.hpp"

#include "vmm/loader/acpi.hpp"
#include "vmm/vm/layout.hpp"

namespace bulkhead::vmm {
namespace {

constexpr uint32_t amd_vendor = 0x68747541;    // "Auth"
constexpr uint32_t hygon_vendor = 0x6f677948;  // "Hygo"

/// The place of firmware's reset vector: mov al, 6; mov dx, CF9h; out dx, al; hlt; jmp $-1. Linux on hardware-reduced
/// ACPI without EFI reboots by jumping there, and nowhere else.
constexpr uint8_t reset_code[] = {0xb0, PowerPorts::reset_value, 0xba, 0xf9, 0x0c, 0xee, 0xf4, 0xeb, 0xfd};
static_assert(PowerPorts::reset_control == 0x0cf9);

bool is_amd(HostCpu& host) {
    const uint32_t vendor = host.cpuid(0, 0).ebx;
    return vendor == amd_vendor || vendor == hygon_vendor;
}

std::span<std::byte> bytes_of(DeviceMemory& state) { return {reinterpret_cast<std::byte*>(&state), sizeof(state)}; }

CpuidTable make_cpuid(unsigned index, const MachineConfiguration& configuration, const MachineEnvironment& environment) {
    CpuidTable table;
    table.build(environment.host, {.vcpu_index = index,
                                   .vcpu_count = configuration.vcpu_count,
                                   .tsc_hz = environment.time.tsc_hz(),
                                   .apic_bus_hz = LocalApic::bus_hz,
                                   .rdtscp = configuration.rdtscp,
                                   .invpcid = configuration.invpcid});
    return table;
}

}  // namespace

Machine::Vcpu::Vcpu(unsigned index, Machine& machine, volatile uint32_t* apic_page)
    : apic{index, machine.state_.vcpus[index].apic, machine.slot_, VirtualApicPage{apic_page}, machine.fabric_,
           machine, machine.environment_.time},
      lifecycle{machine.state_.vcpus[index].lifecycle, machine.slot_},
      clock{machine.state_.vcpus[index].clock, machine.state_.clock_base, machine.slot_, machine.memory_,
            machine.environment_.time},
      msrs{machine.state_.vcpus[index].msrs, machine.slot_, apic, clock, machine.environment_.time,
           machine.environment_.log, is_amd(machine.environment_.host),
           make_cpuid(index, machine.configuration_, machine.environment_).physical_address_bits()},
      cpuid{make_cpuid(index, machine.configuration_, machine.environment_)},
      journal{machine.state_.vcpu_journals[index], bytes_of(machine.state_)} {}

Machine::Machine(DeviceMemory& state, const GuestMemory& memory, std::span<volatile uint32_t* const> apic_pages,
                 const MachineConfiguration& configuration, const MachineEnvironment& environment)
    : state_{state},
      memory_{memory},
      configuration_{configuration},
      environment_{environment},
      service_journal_{state.service_journal, bytes_of(state)},
      fabric_{*this},
      ioapic_{state.ioapic, slot_, fabric_},
      rtc_{state.rtc, slot_, environment.time},
      power_{state.power, slot_, ioapic_, Layout::event_line, *this},
      sleep_ports_{power_},
      post_port_{power_, PowerPorts::post},
      fast_reset_port_{power_, PowerPorts::fast_reset},
      reset_port_{power_, PowerPorts::pci_mechanism},
      debug_exit_port_{power_, PowerPorts::debug_exit},
      uart_{state.uart, state.uart_output, state.uart_input, slot_, ioapic_, Layout::com1_line, *this},
      host_bridge_{state.host_bridge, slot_},
      ports_{environment.log},
      mmio_{environment.log} {
    ASSERT(configuration.vcpu_count >= 1 && configuration.vcpu_count <= max_vcpus);
    for (unsigned index = 0; index < configuration.vcpu_count; ++index) {
        Vcpu& vcpu = vcpus_[index].emplace(index, *this, apic_pages[index]);
        const bool added = fabric_.add(vcpu.apic, vcpu.lifecycle);
        ASSERT(added);
    }
    connect();
}

void Machine::connect() {
    fabric_.set_ioapic(ioapic_);
    bool ok = ports_.add(Layout::com1_port, Uart::port_count, uart_);
    ok = ok && ports_.add(Rtc::first_port, Rtc::port_count, rtc_);
    ok = ok && ports_.add(PowerPorts::first, PowerPorts::count, sleep_ports_);
    ok = ok && ports_.add(PowerPorts::post, 1, post_port_);
    ok = ok && ports_.add(PowerPorts::fast_reset, 1, fast_reset_port_);
    ok = ok && ports_.add(PowerPorts::pci_mechanism, PowerPorts::pci_mechanism_count, reset_port_);
    if (configuration_.debug_exit) ok = ok && ports_.add(PowerPorts::debug_exit, 1, debug_exit_port_);
    ok = ok && ports_.add(PciBus::io_window_start, PciBus::io_window_count, pci_);
    // Every PC operating system looks for these: 8259s, the PIT, 8042, other UARTs, VGA.
    ok = ok && ports_.ignore(0x20, 2) && ports_.ignore(0xa0, 2) && ports_.ignore(0x40, 4) && ports_.ignore(0x60, 5);
    ok = ok && ports_.ignore(0x2e8, 8) && ports_.ignore(0x2f8, 8) && ports_.ignore(0x3e8, 8);
    ok = ok && ports_.ignore(0x3c0, 32);
    ok = ok && mmio_.add(GuestPhysicalAddress{Layout::ioapic}, Ioapic::window_bytes, ioapic_);
    ok = ok && mmio_.add(GuestPhysicalAddress{Layout::ecam}, Layout::ecam_bytes, pci_);
    mmio_.set_moving(pci_);
    ok = ok && pci_.add(0, host_bridge_);
    ASSERT(ok);
}

Result<void, LinuxError> Machine::power_on(const LinuxImage& image) {
    for (std::byte& byte : bytes_of(state_)) byte = std::byte{0};
    state_.clock_base = {environment_.time.tsc(), environment_.time.wall_clock_ns()};
    ioapic_.reset();
    rtc_.reset();
    host_bridge_.reset();
    for (unsigned index = 0; index < configuration_.vcpu_count; ++index) {
        Vcpu& vcpu = *vcpus_[index];
        vcpu.apic.power_on(index == 0);
        vcpu.lifecycle.power_on();
        vcpu.clock.power_on();
        vcpu.msrs.power_on();
    }
    const GuestPhysicalAddress tables{Layout::acpi_tables};
    std::byte* place = memory_.find(tables, Layout::acpi_tables_bytes);
    if (place == nullptr) return LinuxError::NoLowMemory;
    const auto built = build_acpi_tables({place, Layout::acpi_tables_bytes}, tables, {.vcpu_count = configuration_.vcpu_count});
    ASSERT(built.ok());
    const GuestPhysicalAddress vector{Layout::reset_vector};
    if (!memory_.write(vector, std::as_bytes(std::span{reset_code}))) return LinuxError::NoLowMemory;
    state_.entry = TRY(load_linux(memory_, image, tables));
    state_.size_bytes = sizeof(DeviceMemory);
    __atomic_store_n(&state_.magic, DeviceMemory::expected_magic, __ATOMIC_RELEASE);
    return {};
}

void Machine::recover() {
    for (unsigned index = 0; index < configuration_.vcpu_count; ++index) vcpus_[index]->journal.roll_back();
    service_journal_.roll_back();
}

void Machine::begin(Journal& journal, uint64_t sequence) {
    journal.begin(sequence);
    slot_.set(&journal);
}

void Machine::commit(Journal& journal, const ExitResult& result) {
    journal.commit(result);
    slot_.set(nullptr);
    perform_effects(journal);
}

void Machine::perform_effects(const Journal& journal) {
    for (const Effect& effect : journal.effects()) perform_now(effect);
}

void Machine::perform(const Effect& effect) {
    Journal* journal = slot_.current();
    if (journal == nullptr || !journal->add(effect)) perform_now(effect);
}

void Machine::perform_now(const Effect& effect) {
    if (effect.kind != Effect::Kind::ClearInService) {
        environment_.outside.perform(effect);
    } else if (effect.vcpu < configuration_.vcpu_count) {
        vcpus_[effect.vcpu]->apic.clear_in_service(effect.vector);
    }
}

void Machine::end(MachineEnd why, std::string_view line) {
    environment_.log.line(line);
    end_line_ = Line{};
    end_line_.text(line);
    power_.end(why);
}

uint64_t Machine::periodic_ticks(uint64_t now_tsc) {
    uint64_t next = no_timer;
    for (unsigned index = 0; index < configuration_.vcpu_count; ++index) {
        LocalApic& apic = vcpus_[index]->apic;
        apic.periodic_tick(now_tsc);
        if (apic.next_periodic_tick() < next) next = apic.next_periodic_tick();
    }
    return next;
}

}  // namespace bulkhead::vmm
