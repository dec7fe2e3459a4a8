// SPDX-License-Identifier: Apache-2.0
// What the scheduler runs: a thread or a virtual CPU (also known as execution context, EC). It is bound to one CPU and
// runs on a scheduling context: its own, or, for a portal handler, its caller's.
//
// A call chain is linked both ways: `caller` leads to who waits for my reply, `callee` to the handler I wait for. All
// members of a chain are on one CPU, and all of them run on the same, donated scheduling context, that of the chain's
// root. An orphan is a handler whose caller left; it runs on its fallback, a scheduling context of its own, if it has
// one, and when it is helped.
//
// Concurrency: changed only on its own CPU with interrupts off; from elsewhere, `Scheduler::wake_from_anywhere`.
#pragma once

#include <atomic>

#include "abi/register.hpp"
#include "base/address.hpp"
#include "kernel/arch/x86_64/register_frame.hpp"
#include "kernel/object/scheduling_context.hpp"

namespace bulkhead::kernel {

class Thread;

class ExecutionContext : public Object {
  public:
    enum class State : uint8_t {
        Ready,    ///< can run: running, or its scheduling context is queued, or it has none
        Idle,     ///< a handler that waits for a call
        InCall,   ///< waits for the reply of `callee`
        Helping,  ///< wants to call `callee`, which is busy; calls again whenever it is picked
        Waiting,  ///< waits for a notification; a vCPU: parked
        Stopped,  ///< after an exception nobody handles, or held by its exception handler
        Dead,
    };

    /// Goes on with what this context was doing. Called by the scheduler on its CPU; never returns.
    [[noreturn]] virtual void resume() = 0;
    /// The call of this context ended: with a reply (`Ok`; its words in `reply`) or without. It is ready already and
    /// may be made something else here; it is not run. A vCPU takes the reply over; its next `resume` enters the guest.
    virtual void finish_call(abi::Status status, const abi::Registers& reply) = 0;
    /// Somebody called `Scheduler::wake_from_anywhere`; runs on the context's CPU.
    virtual void woken() = 0;

    uint32_t home_cpu() const final { return cpu_; }
    uint32_t cpu() const { return cpu_; }
    State state() const { return state_; }
    bool can_run() const { return state_ == State::Ready || state_ == State::Helping; }
    bool is_vcpu() const { return type() == abi::ObjectType::Vcpu; }
    Domain& domain() const { return *owner(); }
    bool has_scheduling_context() const { return own_ != nullptr; }

    /// Flags, state and CPU in one word, as the hand-laid paths want them: no flag is set.
    static constexpr uint64_t plain_word(State state, uint32_t cpu) {
        return static_cast<uint64_t>(state) << 32 | uint64_t{cpu} << 48;
    }

    /// Makes it ready and queues every scheduling context that waits for it.
    void make_ready();
    /// Leaves the ready state. The current scheduling context must be parked or handed on by the caller.
    void set_state(State state) { state_ = state; }
    /// The same for the running context: its scheduling context waits for it.
    [[noreturn]] void block(State state);
    /// Lets a scheduling context wait until this context becomes ready.
    void park(SchedulingContext& waiting) {
        waiting.state_ = SchedulingContext::State::Parked;
        waiting.parked_on_ = this;
        parked_.push(waiting);
    }

    /// What is left of this context when it is destroyed: its callers get `Aborted`, its callees become orphans.
    void leave_chains();
    /// Stops calling or waiting: the callee becomes an orphan, the scheduling context comes back here.
    void leave_call();
    /// Ends the call being made.
    void abort_call(abi::Status status);
    /// Nobody lends it time (any more): it, and all it waits for, go on with its own if it has some.
    void go_on_alone();

  protected:
    ExecutionContext(abi::ObjectType type, Domain& owner, uint32_t cpu, uint32_t slow_flags);
    ~ExecutionContext() = default;

    friend class Scheduler;
    friend class SchedulingContext;
    friend class Graveyard;
    friend struct Ipc;
    friend struct AsmOffsets;

    /// What keeps the hand-laid paths off: they serve contexts whose flags are zero (syscall_entry.S).
    struct SlowFlag {
        static constexpr uint32_t Vcpu = 1 << 0;
        static constexpr uint32_t Fpu = 1 << 1;        // FPU registers to switch
        static constexpr uint32_t Bases = 1 << 2;      // FS or GS base to switch
        static constexpr uint32_t Ports = 1 << 3;      // an I/O bitmap to switch
        static constexpr uint32_t Exception = 1 << 4;  // its call reports an exception
        static constexpr uint32_t Deadline = 1 << 5;   // its call, or its wait, has a deadline
        static constexpr uint32_t Switched = Fpu | Bases | Ports;
    };
    [[gnu::noinline]] void wake_helpers();
    void set_slow_flag(uint32_t flag, bool on) { slow_flags_ = on ? slow_flags_ | flag : slow_flags_ & ~flag; }

    UserFrame frame_{};
    // One word, so that the hand-laid paths test flags, state and CPU at once.
    uint32_t slow_flags_ = 0;
    State state_ = State::Ready;
    const uint16_t cpu_;
    PhysicalAddress space_root_;              // of the domain, for the hand-laid paths
    std::atomic<uint64_t>* slots_ = nullptr;  // likewise
    uint64_t slot_count_ = 0;
    ExecutionContext* caller_ = nullptr;    // who waits for this one's reply
    Thread* callee_ = nullptr;              // in state InCall
    SchedulingContext* donated_ = nullptr;  // what it runs on; null for an idle handler, an orphan, one not started
    SchedulingContext* own_ = nullptr;      // a handler's: its fallback
    SchedulingRing parked_;

    std::atomic<bool> wake_pending_{false};  // whether it is in its CPU's list of remote wake-ups
    ExecutionContext* next_woken_ = nullptr;
};

}  // namespace bulkhead::kernel
