// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/pci/function.hpp"

#include "base/address.hpp"

namespace bulkhead::vmm {
namespace {

constexpr uint16_t writable_command =
    pci_command::io | pci_command::memory | pci_command::bus_master | pci_command::interrupt_disable;
constexpr uint16_t status_has_capabilities = 1 << 4;
constexpr uint32_t bar_io = 1;
constexpr uint32_t bar_memory_64 = 4;

constexpr unsigned bar_offset(unsigned number) { return pci_register::bar0 + number * 4; }

}  // namespace

void PciFunction::reset_config(const PciIdentity& identity) {
    state_.change() = {};
    set_config<uint16_t>(pci_register::vendor, identity.vendor);
    set_config<uint16_t>(pci_register::device, identity.device);
    set_config<uint32_t>(pci_register::revision, identity.class_code << 8 | identity.revision);
    set_config<uint16_t>(pci_register::subsystem_vendor, identity.subsystem_vendor);
    set_config<uint16_t>(pci_register::subsystem, identity.subsystem);
    uint8_t next = 0;
    for (std::size_t index = capabilities_.size(); index > 0; --index) {
        const Capability& capability = capabilities_[index - 1];
        set_config<uint8_t>(capability.offset, capability.id);
        set_config<uint8_t>(capability.offset + 1u, next);
        next = capability.offset;
    }
    set_config<uint8_t>(pci_register::capabilities, next);
    set_config<uint16_t>(pci_register::status, next != 0 ? status_has_capabilities : 0);
    for (unsigned number = 0; number < pci_bars; ++number) set_bar_address(number, 0);
}

void PciFunction::add_bar(unsigned number, BarKind kind, uint64_t size_bytes, PortDevice* ports, MmioDevice* memory) {
    ASSERT(number < pci_bars && is_power_of_two(size_bytes) && bars_[number].kind == BarKind::None);
    bars_[number] = {kind, size_bytes, ports, memory};
    const uint64_t writable = ~(size_bytes - 1);
    const unsigned bytes = kind == BarKind::Memory64 ? 8 : 4;
    for (unsigned index = 0; index < bytes; ++index) {
        set_writable(bar_offset(number) + index, static_cast<uint8_t>(writable >> (8 * index)));
    }
    for (unsigned index = 0; index < 2; ++index) {
        set_writable(pci_register::command + index, static_cast<uint8_t>(writable_command >> (8 * index)));
    }
    if (kind != BarKind::Memory64) return;
    ASSERT(number + 1 < pci_bars && bars_[number + 1].kind == BarKind::None);
    bars_[number + 1].kind = BarKind::Memory64High;
}

unsigned PciFunction::add_capability(uint8_t id, unsigned size_bytes) {
    const unsigned offset = next_capability_;
    if (offset + size_bytes > pci_config_bytes) return 0;
    if (!capabilities_.push_back({id, static_cast<uint8_t>(offset)})) return 0;
    next_capability_ += size_bytes;
    return offset;
}

uint32_t PciFunction::read_config(unsigned offset, unsigned size_bytes) const {
    if (offset + size_bytes > pci_config_bytes) return 0;  // no extended capabilities
    uint32_t value = 0;
    for (unsigned index = size_bytes; index > 0; --index) value = value << 8 | state_->bytes[offset + index - 1];
    return value;
}

void PciFunction::write_config(unsigned offset, unsigned size_bytes, uint32_t value) {
    if (offset + size_bytes > pci_config_bytes) return;
    bool changed = false;
    for (unsigned index = 0; index < size_bytes; ++index) {
        const uint8_t mask = writable_[offset + index];
        const uint8_t old = state_->bytes[offset + index];
        const uint8_t byte = static_cast<uint8_t>((old & ~mask) | ((value >> (8 * index)) & mask));
        if (byte == old) continue;
        state_.change(&PciConfigState::bytes, offset + index) = byte;
        changed = true;
    }
    if (changed) config_written(offset, size_bytes);
}

bool PciFunction::enabled(uint16_t command_bit) const {
    return (config<uint16_t>(pci_register::command) & command_bit) != 0;
}

uint64_t PciFunction::bar_address(unsigned number) const {
    switch (bars_[number].kind) {
        case BarKind::Io: return config<uint32_t>(bar_offset(number)) & ~uint32_t{3};
        case BarKind::Memory32: return config<uint32_t>(bar_offset(number)) & ~uint32_t{15};
        case BarKind::Memory64: return config<uint64_t>(bar_offset(number)) & ~uint64_t{15};
        default: return 0;
    }
}

void PciFunction::set_bar_address(unsigned number, uint64_t address) {
    switch (bars_[number].kind) {
        case BarKind::Io: set_config(bar_offset(number), static_cast<uint32_t>(address) | bar_io); break;
        case BarKind::Memory32: set_config(bar_offset(number), static_cast<uint32_t>(address)); break;
        case BarKind::Memory64: set_config(bar_offset(number), address | bar_memory_64); break;
        default: break;
    }
}

PciFunction::PortTarget PciFunction::find_port(uint16_t port, unsigned size_bytes) const {
    if (!enabled(pci_command::io)) return {};
    for (unsigned number = 0; number < pci_bars; ++number) {
        const Bar& bar = bars_[number];
        if (bar.kind != BarKind::Io || bar.ports == nullptr) continue;
        const uint64_t offset = port - bar_address(number);
        if (offset < bar.size_bytes && size_bytes <= bar.size_bytes - offset) {
            return {bar.ports, static_cast<uint16_t>(offset)};
        }
    }
    return {};
}

PciFunction::MemoryTarget PciFunction::find_memory(uint64_t address, unsigned size_bytes) const {
    if (!enabled(pci_command::memory)) return {};
    for (unsigned number = 0; number < pci_bars; ++number) {
        const Bar& bar = bars_[number];
        if ((bar.kind != BarKind::Memory32 && bar.kind != BarKind::Memory64) || bar.memory == nullptr) continue;
        const uint64_t offset = address - bar_address(number);
        if (offset < bar.size_bytes && size_bytes <= bar.size_bytes - offset) return {bar.memory, offset};
    }
    return {};
}

}  // namespace bulkhead::vmm
