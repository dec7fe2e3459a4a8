// SPDX-License-Identifier: Apache-2.0
// Where a virtual CPU stands between reset and execution: the bootstrap processor runs at once, the others wait for
// SIPI; INIT takes any of them back to that. Changed by senders of INIT and SIPI (machine lock held), who then recall
// the vCPU; acted upon in the vCPU's own exit.
#pragma once

#include <cstdint>

#include "vmm/arch/x86/registers.hpp"
#include "vmm/exit/journal.hpp"

namespace bulkhead::vmm {

struct VcpuLifecycleState {
    enum class Phase : uint8_t {
        PowerOn,        ///< no exit yet
        WaitingForSipi,
        StartPending,  ///< SIPI came; starts at its next exit
        Running,
        Stopped,  ///< the machine has ended
    };
    Phase phase;
    uint8_t init_pending;  ///< INIT came: registers and local APIC are to be reset
    uint8_t start_vector;
    uint8_t reserved[5];
};

/// What the vCPU's exit handler has to do about it.
enum class LifecycleAction : uint8_t {
    None,
    Reset,          ///< registers to their INIT values, local APIC init, then park until recalled
    Start,          ///< real mode at `start_vector` << 12
    ResetAndStart,  ///< both
    Park,           ///< nothing new: park until recalled
};

class VcpuLifecycle {
  public:
    VcpuLifecycle(VcpuLifecycleState& state, JournalSlot& slot) : state_{state, slot} {}

    void power_on() { state_.change() = {}; }
    VcpuLifecycleState::Phase phase() const { return state_->phase; }
    uint8_t start_vector() const { return state_->start_vector; }

    /// The first exit: the bootstrap processor runs, the others wait.
    void first_exit(bool is_bootstrap) {
        state_.change().phase = is_bootstrap ? VcpuLifecycleState::Phase::Running : VcpuLifecycleState::Phase::WaitingForSipi;
    }
    /// INIT arrives; whether the vCPU must be recalled.
    [[nodiscard]] bool init() {
        if (state_->phase == VcpuLifecycleState::Phase::Stopped) return false;
        VcpuLifecycleState& state = state_.change();
        state.phase = VcpuLifecycleState::Phase::WaitingForSipi;
        state.init_pending = 1;
        return true;
    }
    /// SIPI arrives; whether the vCPU must be recalled. Ignored unless it is waited for (SDM volume 3, 9.4.3).
    [[nodiscard]] bool start_up(uint8_t vector) {
        if (state_->phase != VcpuLifecycleState::Phase::WaitingForSipi) return false;
        VcpuLifecycleState& state = state_.change();
        state.phase = VcpuLifecycleState::Phase::StartPending;
        state.start_vector = vector;
        return true;
    }
    void stop() { state_.change().phase = VcpuLifecycleState::Phase::Stopped; }

    /// In an exit of the vCPU: what is to be done, which is considered done from here on.
    LifecycleAction take_action() {
        using Phase = VcpuLifecycleState::Phase;
        const bool reset = state_->init_pending != 0;
        const Phase phase = state_->phase;
        if (reset) state_.change().init_pending = 0;
        if (phase == Phase::StartPending) {
            state_.change().phase = Phase::Running;
            return reset ? LifecycleAction::ResetAndStart : LifecycleAction::Start;
        }
        if (reset) return LifecycleAction::Reset;
        return phase == Phase::Running ? LifecycleAction::None : LifecycleAction::Park;
    }

  private:
    Stored<VcpuLifecycleState> state_;
};

}  // namespace bulkhead::vmm
