// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/pci/bus.hpp"

namespace bulkhead::vmm {
namespace {

/// The parts of an ECAM offset.
struct Ecam {
    using Register = BitField<0, 12, unsigned>;
    using Function = BitField<12, 3, unsigned>;
    using Slot = BitField<15, 5, unsigned>;
};

bool is_config_access(uint64_t offset, unsigned size_bytes) {
    return (size_bytes == 1 || size_bytes == 2 || size_bytes == 4) && offset % size_bytes == 0;
}

}  // namespace

bool PciBus::add(unsigned slot, PciFunction& function) {
    if (slot >= slots || functions_[slot] != nullptr) return false;
    functions_[slot] = &function;
    return true;
}

PciFunction* PciBus::function_at(uint64_t offset) const {
    return Ecam::Function::read(offset) == 0 ? functions_[Ecam::Slot::read(offset)] : nullptr;
}

uint64_t PciBus::read(uint64_t offset, unsigned size_bytes) {
    const PciFunction* function = function_at(offset);
    if (function == nullptr || !is_config_access(offset, size_bytes)) return all_ones(size_bytes);
    return function->read_config(Ecam::Register::read(offset), size_bytes);
}

void PciBus::write(uint64_t offset, unsigned size_bytes, uint64_t value) {
    PciFunction* function = function_at(offset);
    if (function == nullptr || !is_config_access(offset, size_bytes)) return;
    function->write_config(Ecam::Register::read(offset), size_bytes, static_cast<uint32_t>(value));
}

MovingDevices::Target PciBus::find_mmio(GuestPhysicalAddress address, unsigned size_bytes) {
    for (const PciFunction* function : functions_) {
        if (function == nullptr) continue;
        const auto target = function->find_memory(address.value(), size_bytes);
        if (target.device != nullptr) return {target.device, target.offset};
    }
    return {};
}

PciFunction::PortTarget PciBus::find_port(uint16_t offset, unsigned size_bytes) const {
    for (const PciFunction* function : functions_) {
        if (function == nullptr) continue;
        const auto target = function->find_port(static_cast<uint16_t>(io_window_start + offset), size_bytes);
        if (target.device != nullptr) return target;
    }
    return {};
}

uint32_t PciBus::read_port(uint16_t offset, unsigned size_bytes) {
    const auto target = find_port(offset, size_bytes);
    if (target.device == nullptr) return static_cast<uint32_t>(all_ones(size_bytes));
    return target.device->read_port(target.offset, size_bytes);
}

void PciBus::write_port(uint16_t offset, unsigned size_bytes, uint32_t value) {
    const auto target = find_port(offset, size_bytes);
    if (target.device != nullptr) target.device->write_port(target.offset, size_bytes, value);
}

}  // namespace bulkhead::vmm
