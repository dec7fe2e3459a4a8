// SPDX-License-Identifier: Apache-2.0
// From an exit of one vCPU to the reply: decode, let the machine act inside a transaction, commit, reply. Runs on the
// vCPU's handler thread; makes no system call itself.
#pragma once

#include <cstdint>

#include "abi/vcpu.hpp"
#include "vmm/exit/state_page.hpp"
#include "vmm/vm/machine.hpp"

namespace bulkhead::vmm {

/// The words of an exit call (abi/vcpu.hpp).
struct ExitCall {
    uint32_t label = 0;
    uint64_t sequence = 0;
    uint64_t r8 = 0, r9 = 0, r10 = 0, rbx = 0, r12 = 0;
    uint64_t rip = 0;
    uint64_t deaths = 0;  ///< handlers that died over this exit

    abi::ExitReason reason() const { return abi::ExitLabel::Reason::read(label); }
};

/// The words of its reply.
struct ExitReply {
    uint32_t label = 0;
    uint64_t r8 = 0, r9 = 0, r10 = 0, rbx = 0;
    uint64_t groups = 0;
    uint64_t event = 0;
    uint64_t timer_deadline = 0, timer_vector = 0;
};

/// Makes handlers of one machine take turns.
class MachineLock {
  public:
    virtual void lock() = 0;
    virtual void unlock() = 0;

  protected:
    ~MachineLock() = default;
};

class ExitHandler {
  public:
    ExitHandler(Machine& machine, unsigned index, abi::VcpuStatePage& page, MachineLock& lock)
        : machine_{machine}, index_{index}, page_{page}, lock_{lock}, vcpu_{machine.vcpu(index)} {}

    /// What to ask of the kernel before binding.
    static abi::VcpuConfiguration configuration();

    ExitReply handle(const ExitCall& call);

    /// Deaths of monitors over one exit behind which the machine ends, with all of the vCPU's state in the page.
    static constexpr uint64_t deadly = 3;

  private:
    ExitReply cpuid(const ExitCall& call) const;
    ExitResult dispatch(const ExitCall& call);
    ExitReply finish(const ExitResult& result);

    void start_up(ExitResult& result);
    void recalled(ExitResult& result);
    void msr_read(const ExitCall& call, ExitResult& result);
    void msr_write(const ExitCall& call, ExitResult& result);
    void port(const ExitCall& call, bool is_write, ExitResult& result);
    void nested_fault(const ExitCall& call, ExitResult& result);
    void instruction(const ExitCall& call, ExitResult& result);
    void give_up(MachineEnd why, std::string_view what, const ExitCall& call, ExitResult& result);
    void collect_changes(ExitResult& result);

    Machine& machine_;
    unsigned index_;
    abi::VcpuStatePage& page_;
    MachineLock& lock_;
    Machine::Vcpu& vcpu_;
};

}  // namespace bulkhead::vmm
