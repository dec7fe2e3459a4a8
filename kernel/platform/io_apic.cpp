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

class IoApic {
  public:
    IoApic() = default;
    IoApic(volatile void* registers, uint32_t first)
        : registers_{static_cast<volatile std::byte*>(registers)}, first_{first} {
        const auto last = static_cast<uint32_t>(IoApicRegister::LastPin::read(read(IoApicRegister::version)));
        pins_ = std::min(last + 1, max_pins);
    }

    uint32_t end() const { return first_ + pins_; }
    bool has(uint32_t line) const { return line >= first_ && line - first_ < pins_; }

    void route(uint32_t line, uint64_t redirection) {
        set_masked(line, true);
        write(IoApicRegister::redirection_high(line - first_), static_cast<uint32_t>(redirection >> 32));
        write(IoApicRegister::redirection_low(line - first_),
              static_cast<uint32_t>(redirection | IoApicRedirection::Masked::mask));
    }
    void set_masked(uint32_t line, bool masked) {
        const uint8_t low = IoApicRegister::redirection_low(line - first_);
        write(low, static_cast<uint32_t>(IoApicRedirection::Masked::write(read(low), masked)));
    }
    void mask_all() {
        for (uint32_t pin = 0; pin < pins_; ++pin) set_masked(first_ + pin, true);
    }

  private:
    volatile uint32_t& at(uint64_t offset) { return *reinterpret_cast<volatile uint32_t*>(registers_ + offset); }
    uint32_t read(uint8_t index) {
        at(IoApicRegister::index_offset) = index;
        return at(IoApicRegister::data_offset);
    }
    void write(uint8_t index, uint32_t value) {
        at(IoApicRegister::index_offset) = index;
        at(IoApicRegister::data_offset) = value;
    }

    volatile std::byte* registers_ = nullptr;
    uint32_t first_ = 0;
    uint32_t pins_ = 0;
};

using Controllers = StaticVector<IoApic, 8>;

IoApic* find(Controllers& apics, uint32_t line) {
    for (IoApic& apic : apics) {
        if (apic.has(line)) return &apic;
    }
    return nullptr;
}

constinit SpinLocked<Controllers> controllers;
constinit StaticVector<InterruptOverride, 16> overrides;  // constant after boot

/// The two 8259s, moved away from the exceptions (a spurious interrupt ignores the mask) and masked.
void mask_legacy_controllers() {
    const auto mask = [](uint16_t command, uint8_t first_vector, uint8_t cascade) {
        const auto data = static_cast<uint16_t>(command + 1);
        port_write<uint8_t>(command, 0x11);       // ICW1: initialise, ICW4 follows
        port_write<uint8_t>(data, first_vector);  // ICW2
        port_write<uint8_t>(data, cascade);       // ICW3
        port_write<uint8_t>(data, 0x01);          // ICW4: 8086 mode
        port_write<uint8_t>(data, UINT8_MAX);     // mask
    };
    mask(0x20, Vectors::first_external, 1u << 2);
    mask(0xa0, Vectors::first_external + 8, 2);
}

}  // namespace

void IoApics::initialize(const AcpiInformation& acpi) {
    mask_legacy_controllers();
    overrides = acpi.overrides;
    for (const IoApicDescription& description : acpi.io_apics) {
        volatile void* registers = map_device(description.address);
        if (registers == nullptr) continue;
        const auto guard = controllers.lock();
        if (guard->push_back(IoApic{registers, description.first_interrupt})) guard->back().mask_all();
    }
}

InterruptLine IoApics::line(uint32_t global_interrupt) {
    for (const InterruptOverride& o : overrides)
        if (o.global_interrupt == global_interrupt) return {global_interrupt, o.level, o.active_low};
    const bool pci = global_interrupt >= isa_lines;
    return {global_interrupt, pci, pci};
}

uint32_t IoApics::line_count() {
    uint32_t count = 0;
    const auto guard = controllers.lock();
    for (const IoApic& apic : *guard) count = std::max(count, apic.end());
    return count;
}

bool IoApics::route(const InterruptLine& line, uint8_t vector, const Cpu& target) {
    if (target.apic_id > highest_destination) return false;
    const auto guard = controllers.lock();
    IoApic* apic = find(*guard, line.global_interrupt);
    if (apic == nullptr) return false;
    apic->route(line.global_interrupt,
                IoApicRedirection::Vector::make(vector) | IoApicRedirection::Delivery::make(x86::ApicDelivery::Fixed) |
                    IoApicRedirection::ActiveLow::make(line.active_low) | IoApicRedirection::Level::make(line.level) |
                    IoApicRedirection::Destination::make(target.apic_id));
    return true;
}

void IoApics::set_masked(uint32_t global_interrupt, bool masked) {
    const auto guard = controllers.lock();
    IoApic* apic = find(*guard, global_interrupt);
    if (apic != nullptr) apic->set_masked(global_interrupt, masked);
}

}  // namespace bulkhead::kernel
