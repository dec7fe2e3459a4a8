// SPDX-License-Identifier: Apache-2.0
// Message passing: calls, replies, exceptions and VM exits, in their general form, which is complete by itself
// (architecture.md section 4). The hand-laid paths are short cuts of it for messages in registers.
//
// A call switches straight to the handler on the caller's scheduling context. A caller that meets a busy handler helps:
// it stays ready, and whenever it is picked, the end of the chain it waits for runs on its scheduling context; there is
// no queue. Cycles show on the walk to that end.
//
// Concurrency: callers and handlers of one portal are on one CPU; everything runs there with interrupts off.
#pragma once

#include "abi/register.hpp"
#include "abi/status.hpp"

namespace bulkhead::kernel {

class ExecutionContext;
class Portal;
class Thread;
class Vcpu;

struct Ipc {
    /// System call Call, made for the first time or again: the registers are in the frame.
    [[noreturn]] static void call(Thread& caller);
    /// System call Reply, by a handler.
    [[noreturn]] static void reply(Thread& handler);
    /// The exit of a running vCPU, as a call of its portal. If that is gone, the vCPU waits until another one is bound.
    [[noreturn]] static void call_from_vcpu(Vcpu& vcpu);
    /// A fault or foreign system call of the running thread, as a call of its exception portal.
    [[noreturn]] static void exception(Thread& thread, uint32_t label);
    /// The call made for an exception is over.
    static void finish_exception(Thread& thread, abi::Status status, const abi::Registers& reply);

  private:
    static abi::Result<Portal*> wanted_portal(ExecutionContext& caller);
    [[noreturn]] static void deliver(ExecutionContext& caller, const Portal& portal, const abi::Registers& message);
    [[noreturn]] static void help(ExecutionContext& caller, Thread& busy);
    static ExecutionContext* end_of_chain(const ExecutionContext& caller, Thread& busy);
};

}  // namespace bulkhead::kernel
