// SPDX-License-Identifier: Apache-2.0
// The monitor's half of a local APIC: identity, mode, local vector table, interrupt command, timer and errors, as
// x2APIC (MSRs) and xAPIC (a page of memory). Acceptance (IRR, ISR, TPR, PPR, EOI) is the kernel's, on the
// virtual-APIC page; only the xAPIC's memory accesses to it are emulated here.
//
// Only the exits of its own vCPU change the state (machine lock held, because senders read identity and mode).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "vmm/arch/x86/interrupt_message.hpp"
#include "vmm/arch/x86/virtual_apic_page.hpp"
#include "vmm/device/seams.hpp"

namespace bulkhead::vmm {

enum class LvtEntry : uint8_t { Timer, Thermal, Performance, Lint0, Lint1, Error, Count };
inline constexpr unsigned lvt_entries = static_cast<unsigned>(LvtEntry::Count);

struct LocalApicState {
    uint64_t base;  ///< IA32_APIC_BASE
    uint32_t spurious;
    uint32_t logical_destination;  ///< xAPIC only
    uint32_t destination_format;   ///< xAPIC only
    uint32_t error_latched;
    uint32_t error_pending;
    uint32_t divide;
    std::array<uint32_t, lvt_entries> lvt;
    uint64_t command;
    uint32_t initial_count;
    uint32_t reserved;
    uint64_t timer_start_tsc;     ///< host TSC when initial_count was written
    uint64_t deadline;            ///< IA32_TSC_DEADLINE, if the monitor handles it
    uint64_t programmed_deadline;  ///< what the vCPU's timer was last told (host TSC)
    uint8_t programmed_vector;
    uint8_t reserved2[7];
    uint64_t periodic_next_tsc;  ///< next tick of a periodic timer, host TSC; no_timer: none
};

inline constexpr uint64_t no_timer = ~uint64_t{0};

/// To be put into the reply of the exit: the vCPU's one timer, which lives in the kernel.
struct TimerSetting {
    uint64_t deadline_tsc = no_timer;
    uint8_t vector = 0;
};

/// The guest did what an APIC answers with #GP.
enum class ApicFault : uint8_t { GeneralProtection };

/// To whom an IPI goes, beside its message.
enum class Shorthand : uint8_t { None = 0, Self = 1, All = 2, AllButSelf = 3 };

/// All local APICs of the machine, as seen from one of them.
class ApicFabric : public InterruptRouter {
  public:
    virtual void route_command(unsigned source, Shorthand shorthand, const InterruptMessage& message, bool wide) = 0;
    /// A local APIC ended a level-triggered interrupt.
    virtual void broadcast_end_of_interrupt(uint8_t vector) = 0;

  protected:
    ~ApicFabric() = default;
};

class LocalApic {
  public:
    static constexpr uint64_t page_address = 0xfee00000;
    /// The timer counts nanoseconds; CPUID 40000010h tells it.
    static constexpr uint64_t bus_hz = 1'000'000'000;

    LocalApic(unsigned index, LocalApicState& state, JournalSlot& slot, VirtualApicPage page, ApicFabric& fabric,
              Outside& outside, TimeSource& time)
        : index_{index}, state_{state, slot}, page_{page}, fabric_{fabric}, outside_{outside}, time_{time} {}

    /// For a machine that starts.
    void power_on(bool is_bootstrap);
    /// INIT: all but the mode and the base.
    void init();

    uint32_t id() const { return index_; }
    bool enabled() const;
    bool x2apic() const;
    uint64_t base_address() const;
    /// Whether a message with this destination is for this APIC.
    bool matches(uint32_t destination, bool logical, bool wide) const;
    /// Whether it accepts interrupts (not NMI, INIT, SIPI) at all.
    bool accepts_interrupts() const;

    // Register accesses of its own vCPU.
    Result<uint64_t, ApicFault> read_msr(uint32_t msr);
    Result<void, ApicFault> write_msr(uint32_t msr, uint64_t value, uint64_t tsc_offset);
    uint32_t read_page(unsigned offset);
    void write_page(unsigned offset, uint32_t value, uint64_t tsc_offset);

    /// What the exit must tell the kernel: a changed timer; that TPR or ISR on the page changed. Reading resets.
    std::optional<TimerSetting> take_timer_change();
    bool take_page_change();
    /// The effect of an EOI on the xAPIC's page; may be repeated.
    void clear_in_service(uint8_t vector) { page_.clear(VirtualApicPage::Isr, vector); }
    /// Vector for deadline-timer writes that the kernel absorbs, 0 if there shall be no interrupt.
    uint8_t deadline_vector() const;

    /// When the monitor must post the next tick of a periodic timer (host TSC), or no_timer.
    uint64_t next_periodic_tick() const { return state_->periodic_next_tsc; }
    /// Posts the tick that is due; ticks that were missed are left out.
    void periodic_tick(uint64_t now_tsc);

  private:
    uint32_t read_register(unsigned offset) const;
    bool write_register(unsigned offset, uint32_t value);
    uint32_t logical_id() const;
    Result<void, ApicFault> write_base(uint64_t value);
    void send_command();
    void raise_error(uint32_t bit);
    void write_lvt(LvtEntry entry, uint32_t value);
    void end_of_interrupt();
    void start_timer(uint32_t count);
    void reprogram_timer();
    uint32_t current_count() const;
    unsigned divider() const;

    unsigned index_;
    Stored<LocalApicState> state_;
    VirtualApicPage page_;
    ApicFabric& fabric_;
    Outside& outside_;
    TimeSource& time_;
    bool timer_changed_ = false;
    bool page_changed_ = false;
    uint64_t tsc_offset_ = 0;
};

}  // namespace bulkhead::vmm
