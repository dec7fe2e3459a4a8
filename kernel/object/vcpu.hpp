// SPDX-License-Identifier: Apache-2.0
// A virtual CPU of a guest domain, bound to one CPU. An exit the kernel does not absorb is a portal call to its
// monitor; it has a sequence number and is not over before a reply that names it (include/abi/vcpu.hpp).
//
// What is pending (interrupts, NMI, recall) may come from any CPU: the poster writes it down, sets a bit of `events_`,
// and then looks at `activity_`: a running guest is kicked out, a parked one woken. The vCPU announces its activity
// first and tests the bits afterwards, so one of the two always sees the other and no wake-up is lost.
//
// Concurrency: on its CPU with interrupts off, but `post`, `recall` and `state_memory`.
#pragma once

#include "abi/calls.hpp"
#include "abi/vcpu.hpp"
#include "base/range.hpp"
#include "kernel/arch/x86_64/fpu.hpp"
#include "kernel/arch/x86_64/vcpu_hardware.hpp"
#include "kernel/object/execution_context.hpp"
#include "kernel/object/virtual_apic.hpp"
#include "kernel/object/virtual_interrupt.hpp"

namespace bulkhead::kernel {

class Vcpu final : public ExecutionContext {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::Vcpu;

    Vcpu(Domain& guest, uint32_t cpu);
    /// In INIT state, with its state memory. Under the configuration lock.
    abi::Result<void> initialise(uint32_t cpu);
    /// Physical memory of the state page and the virtual-APIC page. A memory object for it is derived from the vCPU.
    Range state_memory() const;

    /// System calls BindVcpu, RecallVcpu, PullVcpuState; `bind` and `pull` on the vCPU's CPU, `recall` anywhere.
    void bind(uint64_t portal_word, const class Portal& portal);
    void recall() { notify(Event::Recall); }
    abi::Result<void> pull(uint32_t groups);
    /// Makes an event pending, from any CPU.
    void post(uint8_t vector, abi::PostKind kind);
    static bool valid_vector(uint64_t vector) { return vector >= 16 && vector <= 255; }

    /// Its scheduling context is ready but does not run; and runs again. On its CPU.
    void starts_waiting();
    void stops_waiting(uint64_t now);
    [[noreturn]] void resume() override;
    void finish_call(abi::Status status, const abi::Registers& reply) override;
    void woken() override;
    void retire() override;
    void release() override;

    // For the back-ends: exits, decoded. The instruction's position and length are in `hardware()`.
    VcpuHardware& hardware() { return hardware_; }
    VirtualApic apic() { return VirtualApic{static_cast<std::byte*>(state_memory_) + abi::virtual_apic_page_offset}; }
    FpuState& fpu() { return *fpu_; }

    [[noreturn]] void on_cpuid();
    [[noreturn]] void on_msr_read(uint32_t index);
    [[noreturn]] void on_msr_write(uint32_t index, uint64_t value);
    /// `key` is what doorbells are compared by (VcpuBackend::port_write_key).
    [[noreturn]] void on_port(uint64_t access, bool in, uint32_t key);
    /// Signals what the doorbell is bound to, and counts. Something more urgent may be ready then.
    void ring(class Doorbell& doorbell);
    /// On with the guest, or with what is more urgent.
    [[noreturn]] void go_on_if_most_urgent();
    [[noreturn]] void on_hypercall();
    [[noreturn]] void on_hlt();
    [[noreturn]] void on_xsetbv(uint32_t index, uint64_t value);
    [[noreturn]] void on_end_of_interrupt(uint8_t vector);
    /// An external interrupt ended the guest's turn and has been handled.
    [[noreturn]] void on_interrupt();
    /// The next entry judges anew what is pending.
    void look_for_interrupts() { events_.fetch_or(Event::Interrupt, std::memory_order_relaxed); }
    /// The next entry delivers one, as the guest could not take it before.
    void look_for_nmi() { events_.fetch_or(Event::Nmi, std::memory_order_relaxed); }
    /// Anything else, with the words its reason has.
    [[noreturn]] void on_other(abi::ExitReason reason, uint64_t first = 0, uint64_t second = 0);
    /// The exit was dealt with in the kernel: on with the guest.
    [[noreturn]] void go_on();
    /// The same, counted.
    [[noreturn]] void absorbed(abi::ExitReason reason);

    static constexpr uint32_t cpuid_osxsave_bit = 63;
    void set_osxsave(bool enabled) { osxsave_ = enabled; }

  private:
    friend class VirtualInterrupt;
    friend struct Ipc;
    friend struct AsmOffsets;
    enum class Phase : uint8_t { InExit, Running, Parked, ParkedUntilRecall };
    enum class Activity : uint8_t { InKernel, InGuest, Parked };
    /// Levels: a vector became level-triggered, or edge-triggered again.
    struct Event {
        static constexpr uint32_t Interrupt = 1 << 0, Nmi = 1 << 1, Recall = 1 << 2, Levels = 1 << 3;
    };

    abi::VcpuStatePage& page() const { return *static_cast<abi::VcpuStatePage*>(state_memory_); }
    void request(uint8_t vector, bool level);
    void notify(uint32_t event);
    void prepare_exit(abi::ExitReason reason, uint64_t first, uint64_t second);
    [[noreturn]] void send_exit();
    [[noreturn]] void skip_and_go_on(abi::ExitReason reason);
    [[noreturn, gnu::noinline]] void skip_and_ring(Doorbell& doorbell);
    void take_events();
    bool parking_is_over();
    void follow_spaces();
    void count_absorbed(abi::ExitReason reason);

    void apply(const abi::Registers& reply);
    void set_results(const abi::Registers& reply);
    void save_groups(uint32_t groups);
    [[nodiscard]] bool load_groups(uint32_t groups);
    bool write_entry(const struct StateEntry& entry);
    void set_timer(uint64_t deadline, uint64_t vector);
    static void timer_expired(Deadline& deadline);
    void refuse_state(uint64_t detail);

    VcpuHardware hardware_;
    Phase phase_ = Phase::InExit;
    abi::ExitReason reason_ = abi::ExitReason::Startup;
    bool osxsave_ = false;
    bool interrupts_enabled_ = false;  // while parked: whether an interrupt may end it
    uint8_t timer_vector_ = 0;
    uint32_t absorb_ = 0;
    std::atomic<uint32_t> events_{0};
    std::atomic<Activity> activity_{Activity::InKernel};
    uint32_t valid_groups_ = 0;
    uint64_t sequence_ = 1;            // Startup
    uint64_t portal_word_ = 0;         // names nothing until a portal is bound; then one that may be called
    const class AddressSpace* space_;  // of the guest
    uint64_t flush_generation_ = 0;    // of that space, as of the last flush here
    abi::Registers exit_{};            // the words of the exit at hand
    uint32_t groups_[static_cast<size_t>(abi::ExitReason::Count)] = {};
    void* state_memory_ = nullptr;
    FpuState* fpu_ = nullptr;
    Deadline timer_;
    uint64_t guest_deadline_ = 0;  // as the guest wrote it, while armed
    uint64_t waits_since_ = 0;     // ticks; 0: it runs, or has nothing to do
    uint64_t stolen_ticks_ = 0;
    IntrusiveList<VirtualInterrupt, &VirtualInterrupt::target_hook_> virtual_interrupts_;  // configuration lock
};

}  // namespace bulkhead::kernel
