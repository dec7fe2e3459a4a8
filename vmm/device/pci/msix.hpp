// SPDX-License-Identifier: Apache-2.0
// MSI-X (PCI Local Bus 3.0, 6.8.2): table and pending bits in a memory BAR, the capability in configuration space.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/device/pci/function.hpp"
#include "vmm/device/seams.hpp"

namespace bulkhead::vmm {

inline constexpr unsigned max_msix_vectors = 32;
inline constexpr uint8_t msix_capability_id = 0x11;

struct MsixEntry {
    uint64_t address;
    uint32_t data;
    uint32_t control;  ///< bit 0: masked
};

struct MsixState {
    std::array<MsixEntry, max_msix_vectors> table;
    uint32_t pending;
    uint32_t reserved;
};

/// The BAR: the table at 0, the pending bits at `pending_offset`.
class Msix final : public MmioDevice {
  public:
    static constexpr uint64_t bar_bytes = 4096;
    static constexpr uint64_t pending_offset = 2048;

    Msix(MsixState& state, JournalSlot& slot, PciFunction& function, unsigned vectors, MessageInterrupts& messages)
        : state_{state, slot}, function_{function}, vectors_{vectors}, messages_{messages} {}

    /// Adds the BAR and the capability to the function's shape.
    void attach(unsigned bar);
    /// Fills them for a machine that starts, after PciFunction::reset_config.
    void reset(unsigned bar);

    /// The device's event: sends the message, or keeps it while masked.
    void fire(unsigned vector);
    /// The function's configuration space changed.
    void config_written() { send_pending(); }

    uint64_t read(uint64_t offset, unsigned size_bytes) override;
    void write(uint64_t offset, unsigned size_bytes, uint64_t value) override;

  private:
    bool masked(unsigned vector) const;
    bool enabled() const;
    void send_pending();

    Stored<MsixState> state_;
    PciFunction& function_;
    unsigned vectors_;
    MessageInterrupts& messages_;
    unsigned capability_ = 0;
};

}  // namespace bulkhead::vmm
