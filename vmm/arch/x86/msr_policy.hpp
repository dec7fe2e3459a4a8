// SPDX-License-Identifier: Apache-2.0
// Model-specific registers that reach the monitor: what each reads as and what a write does. Registers the processor
// or the kernel switches (EFER, STAR, LSTAR, segment bases, ...) do not come here. An unknown register is #GP, as on a
// processor without it, counted and named once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "vmm/arch/x86/local_apic.hpp"
#include "vmm/arch/x86/pv_clock.hpp"
#include "vmm/device/seams.hpp"
#include "vmm/vm/first_time.hpp"

namespace bulkhead::vmm {

/// Per vCPU.
struct MsrState {
    uint64_t tsc_offset;  ///< guest TSC = host TSC + offset
    uint64_t tsc_adjust;
    uint64_t misc_enable;
    uint64_t mtrr_default_type;
    uint64_t page_attributes;
    uint64_t mcg_status;
    uint64_t mcg_control;
    uint64_t debug_control;
    uint64_t amd_hardware_configuration;
    uint64_t amd_mmio_configuration_base;
    std::array<uint64_t, 16> mtrr_variable;  ///< base, mask, base, mask, ...
    std::array<uint64_t, 11> mtrr_fixed;
};

enum class MsrFault : uint8_t { GeneralProtection };

class MsrPolicy {
  public:
    MsrPolicy(MsrState& state, JournalSlot& slot, LocalApic& apic, PvClock& clock, TimeSource& time, Log& log,
              bool amd, unsigned physical_address_bits)
        : state_{state, slot},
          apic_{apic},
          clock_{clock},
          time_{time},
          log_{log},
          amd_{amd},
          physical_address_bits_{physical_address_bits} {}

    /// For a machine that starts: as firmware leaves the registers.
    void power_on();

    Result<uint64_t, MsrFault> read(uint32_t index);
    Result<void, MsrFault> write(uint32_t index, uint64_t value);

    uint64_t tsc_offset() const { return state_->tsc_offset; }
    /// The offset the guest asked for, once, to be put into the state page.
    std::optional<uint64_t> take_tsc_offset_change();
    uint64_t unknown_accesses() const { return unknown_.count(); }

  private:
    std::optional<uint64_t> read_common(uint32_t index) const;
    std::optional<uint64_t> read_vendor(uint32_t index) const;
    std::optional<uint64_t> read_mtrr(uint32_t index) const;
    /// Whether it was one of these registers; `fault` if the value is refused.
    bool write_common(uint32_t index, uint64_t value, bool& fault);
    bool write_vendor(uint32_t index, uint64_t value);
    bool write_mtrr(uint32_t index, uint64_t value, bool& fault);
    void change_tsc(uint64_t delta);
    void name_once(uint32_t index, bool is_write, uint64_t value);

    Stored<MsrState> state_;
    LocalApic& apic_;
    PvClock& clock_;
    TimeSource& time_;
    Log& log_;
    bool amd_;
    unsigned physical_address_bits_;
    FirstTime unknown_;
    bool tsc_changed_ = false;
};

}  // namespace bulkhead::vmm
