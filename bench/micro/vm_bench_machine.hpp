// SPDX-License-Identifier: Apache-2.0
// The virtual machine of the VM benchmarks: guest guests/minimal/bench.S, and the leanest monitor that answers it. What
// the figures contain is the exit, the call to this handler, its few instructions and the way back, not a device model.
#pragma once

#include "bench/micro/run.hpp"
#include "tests/system/framework/guest.hpp"

namespace bulkhead::bench {

/// In the order of the guest's table.
enum class GuestOperation : uint32_t {
    Nothing,
    Cpuid,
    HypercallIntel,
    HypercallAmd,
    PortWrite,
    PortRead,
    MmioWrite,
    MmioRead,
    MsrWrite,
    MsrRead,
    AbsorbedMsrWrite,
    TimerWrite,
    NestedFault,
    SelfInterrupt,
    InjectOnExit,
    Halt,
    Timer,
    Ipi,
    Doorbell,
    DoorbellWaiter,
    DoorbellToInterrupt,
};

class BenchMachine {
  public:
    static constexpr uint8_t latency_vector = 0x40;

    BenchMachine() = default;
    ~BenchMachine();

    /// Ready to run; false if something failed, which `run` knows then.
    [[nodiscard]] bool create(Run& run, GuestOperation operation);
    /// Lets the guest do its rounds; false if it did not end.
    [[nodiscard]] bool finish(Run& run);

    /// What the guest left.
    uint64_t ticks() const { return machine_.ram_at<uint64_t>(0x610); }
    uint64_t latency() const { return machine_.ram_at<uint64_t>(0x620); }
    uint64_t interrupts() const { return machine_.ram_at<uint64_t>(0x628); }
    /// An interrupt caused now, by a thread.
    void post_from_outside();
    /// What a backend does: waits until the guest rings, and answers with an interrupt.
    bool wait_for_doorbell() const { return rung_.wait(1).ok(); }
    void answer_doorbell() const { static_cast<void>(interrupt_.post()); }

    test::MachineVcpu& vcpu() { return machine_.vcpus[0]; }
    /// Calls of the monitor's portals, and exits that never came there, since `create`.
    uint64_t portal_calls() const;
    uint64_t absorbed_exits() const;
    /// HLT instructions so far.
    uint64_t halts() const;

  private:
    static void answer(uint64_t badge, runtime::Request& request);
    static void answer_rest(test::MachineVcpu& vcpu, runtime::Request& request);
    abi::Result<void> bind(unsigned index);
    abi::Result<void> create_doorbell();

    test::Machine machine_;
    test::MappedMemory pages_;  ///< for nested faults
    runtime::Notification rung_;
    runtime::Doorbell doorbell_;
    runtime::VirtualInterrupt interrupt_;
};

}  // namespace bulkhead::bench
