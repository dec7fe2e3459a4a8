// SPDX-License-Identifier: Apache-2.0
// The IOAPIC: 24 lines (Intel 82093AA, with the EOI register of version 20h). Edge interrupts that arrive while masked
// are kept and delivered at unmasking; level interrupts are delivered again at their EOI while the line is asserted.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/arch/x86/interrupt_message.hpp"
#include "vmm/device/seams.hpp"

namespace bulkhead::vmm {

inline constexpr unsigned ioapic_lines = 24;

struct IoapicState {
    uint32_t index;
    uint32_t id;
    uint32_t asserted;  ///< lines, one bit each
    uint32_t kept;      ///< edges that came while masked
    std::array<uint64_t, ioapic_lines> redirection;
};

class Ioapic final : public MmioDevice, public InterruptLines {
  public:
    static constexpr uint64_t window_bytes = 4096;

    Ioapic(IoapicState& state, JournalSlot& slot, InterruptRouter& router) : state_{state, slot}, router_{router} {}
    /// For a machine that starts.
    void reset();

    uint64_t read(uint64_t offset, unsigned size_bytes) override;
    void write(uint64_t offset, unsigned size_bytes, uint64_t value) override;
    void set_line(unsigned line, bool asserted) override;
    /// A local APIC broadcast the end of a level-triggered interrupt.
    void end_of_interrupt(uint8_t vector);

  private:
    uint32_t read_register(uint32_t index) const;
    void write_register(uint32_t index, uint32_t value);
    void write_redirection(unsigned line, bool high_half, uint32_t value);
    void deliver(unsigned line);
    void deliver_if_due(unsigned line);

    Stored<IoapicState> state_;
    InterruptRouter& router_;
};

}  // namespace bulkhead::vmm
