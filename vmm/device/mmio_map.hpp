// SPDX-License-Identifier: Apache-2.0
// Which device answers at which guest-physical address outside RAM. As with ports: nothing there reads as all ones.
#pragma once

#include <cstdint>

#include "base/range.hpp"
#include "base/static_vector.hpp"
#include "vmm/arch/x86/emulate.hpp"
#include "vmm/device/seams.hpp"
#include "vmm/vm/first_time.hpp"

namespace bulkhead::vmm {

/// Finds devices whose addresses the guest moves (PCI base address registers).
class MovingDevices {
  public:
    struct Target {
        MmioDevice* device = nullptr;
        uint64_t offset = 0;
    };
    virtual Target find_mmio(GuestPhysicalAddress address, unsigned size_bytes) = 0;

  protected:
    ~MovingDevices() = default;
};

class MmioMap final : public MmioBus {
  public:
    explicit MmioMap(Log& log) : log_{log} {}

    [[nodiscard]] bool add(GuestPhysicalAddress start, uint64_t size_bytes, MmioDevice& device);
    void set_moving(MovingDevices& moving) { moving_ = &moving; }

    uint64_t read_mmio(GuestPhysicalAddress address, unsigned size_bytes) override;
    void write_mmio(GuestPhysicalAddress address, unsigned size_bytes, uint64_t value) override;
    uint64_t unknown_accesses() const { return unknown_.count(); }

  private:
    struct Entry {
        Range range;
        MmioDevice* device = nullptr;
    };
    MovingDevices::Target find(GuestPhysicalAddress address, unsigned size_bytes);
    void name_once(GuestPhysicalAddress address, bool is_write);

    Log& log_;
    StaticVector<Entry, 16> entries_;
    MovingDevices* moving_ = nullptr;
    FirstTime unknown_;
};

}  // namespace bulkhead::vmm
