// SPDX-License-Identifier: Apache-2.0
// A thread of a native domain: ring 3, bound to one CPU (also known as execution context, EC). Either it has a
// scheduling context of its own, or it is a handler that waits for calls of its portals and runs on its callers'.
//
// Concurrency: on its CPU with interrupts off. A thread that waits for a notification is woken through `woken`, which
// the scheduler calls on that CPU.
#pragma once

#include <cstdint>
#include <utility>

#include "abi/calls.hpp"
#include "abi/message.hpp"
#include "kernel/arch/x86_64/fpu.hpp"
#include "kernel/object/address_space.hpp"
#include "kernel/object/execution_context.hpp"

namespace bulkhead::kernel {

class Notification;

class Thread final : public ExecutionContext {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::Thread;

    /// Makes a thread of `owner` with its message buffer mapped. `exception_portal`: a capability word, 0: none.
    static abi::Result<Thread*> create(Domain& owner, const abi::CreateThread& wanted, uint64_t exception_portal);

    [[noreturn]] void resume() override;
    void finish_call(abi::Status status, const abi::Registers& reply) override;
    void woken() override;
    void retire() override;
    void release() override;

    RegisterFrame& frame() { return frame_.registers; }
    /// The registers of a system call: the first words of the frame.
    abi::Registers& registers() { return *reinterpret_cast<abi::Registers*>(&frame_.registers); }
    abi::MessageBuffer& message_buffer() { return *message_buffer_; }
    bool handler() const { return handler_; }
    FpuState* fpu() { return fpu_; }
    void set_bases(uint64_t fs_base, uint64_t gs_base) {
        fs_base_ = fs_base;
        gs_base_ = gs_base;
        set_slow_flag(SlowFlag::Bases, (fs_base | gs_base) != 0);
    }
    using ExecutionContext::SlowFlag;
    /// What has to be switched with it besides registers and page tables, as flags.
    uint32_t switched() const { return slow_flags_ & SlowFlag::Switched; }
    PhysicalAddress space_root() const { return space_root_; }
    /// Its domain has ports from now on: they have to be switched with it.
    void note_ports() { set_slow_flag(SlowFlag::Ports, true); }
    uint64_t fs_base() const { return fs_base_; }
    uint64_t gs_base() const { return gs_base_; }

    /// Blocks this, the running thread, until a bit of the mask is set or the deadline passes.
    [[noreturn]] void wait(Notification& notification, uint64_t mask, uint64_t deadline);
    uint64_t wait_mask() const { return wait_mask_.load(std::memory_order_relaxed); }
    /// The notification it waits for was signalled, or the wait failed. On its CPU.
    void end_wait(abi::Status status, uint64_t bits);
    /// The notification it waits for died.
    void abort_wait();

    /// Whether the call it makes reports an exception.
    bool in_exception() const { return (slow_flags_ & SlowFlag::Exception) != 0; }
    /// CR2 of its last page fault.
    uint64_t fault_address() const { return fault_address_; }
    void set_fault_address(uint64_t address) { fault_address_ = address; }
    /// Takes over registers from user space; what ring 3 must not choose stays as it is.
    void set_user_registers(const abi::ExceptionFrame& wanted);
    /// The status of a long call that is over, for the call that asks for it.
    void set_outcome(abi::Status status) { outcome_ = status; }
    abi::Status take_outcome() { return std::exchange(outcome_, abi::Status::Ok); }
    /// Limits the call being made, or the wait; TimedOut if the time has passed.
    void arm_deadline(uint64_t time);
    void disarm_deadline();

  private:
    friend struct Ipc;
    friend struct AsmOffsets;

    Thread(Domain& owner, const abi::CreateThread& wanted, uint64_t exception_portal, abi::MessageBuffer* buffer,
           FpuState* fpu);
    static void deadline_passed(Deadline& deadline);

    abi::MessageBuffer* message_buffer_;
    Mapping message_buffer_mapping_;
    const uint64_t stack_;  ///< with which a handler starts each call
    Notification* waiting_for_ = nullptr;  // in state Waiting
    std::atomic<uint64_t> wait_mask_{0};
    Deadline deadline_;
    uint64_t exception_portal_;
    uint64_t fault_address_ = 0;
    uint64_t fs_base_ = 0;
    uint64_t gs_base_ = 0;
    FpuState* fpu_;
    abi::Status outcome_ = abi::Status::Ok;
    const bool handler_;
};

static_assert(sizeof(abi::Registers) == 11 * sizeof(uint64_t) && offsetof(RegisterFrame, r15) == 0 &&
                  offsetof(RegisterFrame, rax) == 10 * sizeof(uint64_t),
              "a frame starts with the registers of a system call");

}  // namespace bulkhead::kernel
