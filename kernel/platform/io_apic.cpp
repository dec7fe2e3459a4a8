// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/io_apic.hpp"

#include "hw/x86/apic.hpp"
#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/arch/x86_64/spin_lock.hpp"
#include "kernel/memory/kernel_space.hpp"

namespace bulkhead::kernel {
namespace {

using x86::IoApicRedirection, x86::IoApicRegister;

constexpr uint32_t isa_lines = 16;
constexpr uint32_t highest_destination = 254;
constexpr uint32_t max_pins = 120;

struct IoApic {
    volatile std::byte* registers = nullptr;
    uint32_t first = 0;
    uint32_t pins = 0;

    bool has(uint32_t line) const { return line >= first && line - first < pins; }
    void set_masked(uint32_t line, bool masked) {
        const uint8_t low = IoApicRegister::redirection_low(line - first);
        write(low, static_cast<uint32_t>(IoApicRedirection::Masked::write(read(low), masked)));
    }

    volatile uint32_t& at(uint64_t offset) { return *reinterpret_cast<volatile uint32_t*>(registers + offset); }
    uint32_t read(uint8_t index) {
        at(IoApicRegister::index_offset) = index;
        return at(IoApicRegister::data_offset);
    }
    void write(uint8_t index, uint32_t value) {
        at(IoApicRegister::index_offset) = index;
        at(IoApicRegister::data_offset) = value;
    }
};

constinit SpinLocked<StaticVector<IoApic, 8>> controllers;
constinit StaticVector<InterruptLine, 16> overrides;  // constant after boot

/// The two 8259s, moved away from the exceptions (a spurious interrupt ignores the mask) and masked.
void mask_legacy_controllers() {
    const auto mask = [](uint16_t command, uint8_t first_vector, uint8_t cascade) {
        constexpr uint8_t initialise = 0x11, mode_8086 = 0x01, all_masked = UINT8_MAX;
        port_write(command, initialise);  // ICW1; ICW2, ICW3, ICW4 and the mask follow
        for (const uint8_t value : {first_vector, cascade, mode_8086, all_masked})
            port_write(static_cast<uint16_t>(command + 1), value);
    };
    mask(0x20, Vectors::first_external, 1u << 2);
    mask(0xa0, Vectors::first_external + 8, 2);
}

}  // namespace

void IoApics::initialize(const AcpiInformation& acpi) {
    mask_legacy_controllers();
    overrides = acpi.overrides;
    for (const auto& description : acpi.io_apics) {
        volatile void* registers = map_device(PhysicalAddress{description.address});
        if (registers == nullptr) continue;
        IoApic apic{static_cast<volatile std::byte*>(registers), description.first_interrupt};
        apic.pins = std::min<uint32_t>(IoApicRegister::LastPin::read(apic.read(IoApicRegister::version)) + 1, max_pins);
        for (uint32_t pin = 0; pin < apic.pins; ++pin) apic.set_masked(apic.first + pin, true);
        (void)controllers.lock()->push_back(apic);
    }
}

InterruptLine IoApics::line(uint32_t global_interrupt) {
    for (const InterruptLine& line : overrides)
        if (line.global_interrupt == global_interrupt) return line;
    const bool pci = global_interrupt >= isa_lines;
    return {global_interrupt, pci, pci};
}

bool IoApics::route(const InterruptLine& line, uint8_t vector, const Cpu& target) {
    if (target.apic_id > highest_destination) return false;
    const auto guard = controllers.lock();
    for (IoApic& apic : *guard) {
        if (!apic.has(line.global_interrupt)) continue;
        const uint64_t redirection =
            IoApicRedirection::Vector::make(vector) | IoApicRedirection::Delivery::make(x86::ApicDelivery::Fixed) |
            IoApicRedirection::ActiveLow::make(line.active_low) | IoApicRedirection::Level::make(line.level) |
            IoApicRedirection::Masked::mask | IoApicRedirection::Destination::make(target.apic_id);
        const uint32_t pin = line.global_interrupt - apic.first;
        apic.write(IoApicRegister::redirection_low(pin), static_cast<uint32_t>(redirection));
        apic.write(IoApicRegister::redirection_high(pin), static_cast<uint32_t>(redirection >> 32));
        return true;
    }
    return false;
}

void IoApics::set_masked(uint32_t global_interrupt, bool masked) {
    const auto guard = controllers.lock();
    for (IoApic& apic : *guard)
        if (apic.has(global_interrupt)) apic.set_masked(global_interrupt, masked);
}

}  // namespace bulkhead::kernel
