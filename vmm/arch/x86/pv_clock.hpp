// SPDX-License-Identifier: Apache-2.0
// KVM's paravirtual clock (Linux Documentation/virt/kvm/x86/msr.rst, MSRs 4b564d00 and 4b564d01): a structure in guest
// memory by which the guest computes time from its TSC. All vCPUs share one TSC, so all get the same parameters, and
// the "stable" flag is honest.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "vmm/device/seams.hpp"
#include "vmm/vm/guest_memory.hpp"

namespace bulkhead::vmm {

/// Fixed at power-on, shared by all vCPUs; a clock that goes on when the monitor is replaced.
struct PvClockBase {
    uint64_t start_tsc;      ///< host TSC at power-on
    uint64_t start_wall_ns;  ///< wall clock at that moment
};

/// Per vCPU.
struct PvClockState {
    uint64_t system_time_msr;
    uint64_t wall_clock_msr;
};

/// As the guest reads it (struct pvclock_vcpu_time_info).
struct PvClockTime {
    uint32_t version;  ///< odd while it is being changed
    uint32_t reserved0;
    uint64_t tsc_timestamp;
    uint64_t system_time_ns;
    uint32_t tsc_to_system_multiplier;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t reserved1[2];
};
static_assert(sizeof(PvClockTime) == 32);

struct PvWallClock {
    uint32_t version;
    uint32_t seconds;
    uint32_t nanoseconds;
};

/// ns = ((ticks << shift) * multiplier) >> 32, a negative shift being a right shift.
struct PvClockScale {
    uint32_t multiplier = 0;
    int8_t shift = 0;
};
PvClockScale pv_clock_scale(uint64_t tsc_hz);

class PvClock {
  public:
    enum class Fault : uint8_t { GeneralProtection };

    PvClock(PvClockState& state, const PvClockBase& base, JournalSlot& slot, const GuestMemory& memory, TimeSource& time)
        : state_{state, slot}, base_{base}, memory_{memory}, time_{time} {}

    void power_on() { state_.change() = {}; }
    uint64_t system_time_msr() const { return state_->system_time_msr; }
    uint64_t wall_clock_msr() const { return state_->wall_clock_msr; }
    Result<void, Fault> write_system_time(uint64_t value, uint64_t tsc_offset);
    Result<void, Fault> write_wall_clock(uint64_t value);
    /// Writes the structure anew, after the guest's TSC was changed.
    void update(uint64_t tsc_offset);

  private:
    Stored<PvClockState> state_;
    const PvClockBase& base_;
    const GuestMemory& memory_;
    TimeSource& time_;
};

}  // namespace bulkhead::vmm
