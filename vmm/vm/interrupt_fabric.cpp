// SPDX-License-Identifier: Apache-2.0
#include "vmm/vm/interrupt_fabric.hpp"

#include "base/bit_field.hpp"

namespace bulkhead::vmm {
namespace {

/// Intel SDM volume 3, 11.11.
struct MsiAddress {
    using Logical = Bit<2>;
    using Destination = BitField<12, 8, uint32_t>;
    static constexpr uint64_t window = 0xfee;
    using Window = BitField<20, 44>;
};
struct MsiData {
    using Vector = BitField<0, 8, uint8_t>;
    using Mode = BitField<8, 3, DeliveryMode>;
};

}  // namespace

void InterruptFabric::route(const InterruptMessage& message, bool wide) {
    for (unsigned index = 0; index < vcpus_.size(); ++index) {
        if (!vcpus_[index].apic->matches(message.destination, message.logical, wide)) continue;
        const bool taken = deliver(index, message);
        if (taken && message.mode == DeliveryMode::LowestPriority) return;
    }
}

void InterruptFabric::route_command(unsigned source, Shorthand shorthand, const InterruptMessage& message, bool wide) {
    if (shorthand == Shorthand::None) {
        route(message, wide);
        return;
    }
    for (unsigned index = 0; index < vcpus_.size(); ++index) {
        const bool wanted = shorthand == Shorthand::All || (index == source) == (shorthand == Shorthand::Self);
        if (wanted) (void)deliver(index, message);
    }
}

void InterruptFabric::broadcast_end_of_interrupt(uint8_t vector) {
    if (ioapic_ != nullptr) ioapic_->end_of_interrupt(vector);
}

void InterruptFabric::send_message(uint64_t address, uint32_t data) {
    if (MsiAddress::Window::read(address) != MsiAddress::window) return;
    route({.destination = MsiAddress::Destination::read(address),
           .logical = MsiAddress::Logical::read(address),
           .level = false,
           .mode = MsiData::Mode::read(data),
           .vector = MsiData::Vector::read(data)},
          false);
}

bool InterruptFabric::deliver(unsigned index, const InterruptMessage& message) {
    const Vcpu& vcpu = vcpus_[index];
    Effect effect{.vcpu = static_cast<uint8_t>(index), .vector = message.vector};
    switch (message.mode) {
        case DeliveryMode::Fixed:
        case DeliveryMode::LowestPriority:
            if (!vcpu.apic->accepts_interrupts() || message.vector < first_interrupt_vector) return false;
            effect.kind = message.level ? Effect::Kind::PostFixedLevel : Effect::Kind::PostFixed;
            break;
        case DeliveryMode::Nmi:
            if (!vcpu.apic->enabled()) return false;
            effect.kind = Effect::Kind::PostNmi;
            break;
        case DeliveryMode::Init:
            if (!vcpu.lifecycle->init()) return false;
            effect.kind = Effect::Kind::Recall;
            break;
        case DeliveryMode::StartUp:
            if (!vcpu.lifecycle->start_up(message.vector)) return false;
            effect.kind = Effect::Kind::Recall;
            break;
        default: return false;  // SMI and ExtINT: there is neither SMM nor an 8259 here
    }
    outside_.perform(effect);
    return true;
}

}  // namespace bulkhead::vmm
