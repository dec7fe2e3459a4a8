// SPDX-License-Identifier: Apache-2.0
// The one PCI bus: configuration by ECAM only (PCI Express Base 7.2.2), the host bridge at 00.0, and the search for
// the function whose base address registers cover an address.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/device/mmio_map.hpp"
#include "vmm/device/pci/function.hpp"
#include "vmm/device/seams.hpp"

namespace bulkhead::vmm {

/// 00.0, which has an identity and nothing else.
class HostBridge final : public PciFunction {
  public:
    using PciFunction::PciFunction;
    void reset() { reset_config({.vendor = 0x1b36, .device = 0x0008, .class_code = 0x060000}); }
};

class PciBus final : public MmioDevice, public MovingDevices, public PortDevice {
  public:
    static constexpr unsigned slots = 32;
    static constexpr uint64_t ecam_bytes = 1 << 20;  ///< one bus: 32 slots of 8 functions of 4 KiB

    /// Puts a function at slot.0; false if the slot is taken.
    [[nodiscard]] bool add(unsigned slot, PciFunction& function);

    // Configuration space.
    uint64_t read(uint64_t offset, unsigned size_bytes) override;
    void write(uint64_t offset, unsigned size_bytes, uint64_t value) override;

    // What the BARs cover. As a PortDevice it owns the I/O window, whose first port is `io_window_start`.
    static constexpr uint16_t io_window_start = 0x1000;
    static constexpr uint16_t io_window_count = 0xf000;
    Target find_mmio(GuestPhysicalAddress address, unsigned size_bytes) override;
    uint32_t read_port(uint16_t offset, unsigned size_bytes) override;
    void write_port(uint16_t offset, unsigned size_bytes, uint32_t value) override;

  private:
    PciFunction* function_at(uint64_t offset) const;
    PciFunction::PortTarget find_port(uint16_t offset, unsigned size_bytes) const;

    std::array<PciFunction*, slots> functions_{};
};

}  // namespace bulkhead::vmm
