// SPDX-License-Identifier: Apache-2.0
// What each system call does: one overload of `handle` per call struct. Decoded arguments in, results or a status out;
// first everything is checked, then what is done cannot fail half-way.
#pragma once

#include <tuple>

#include "abi/calls.hpp"
#include "abi/status.hpp"

namespace bulkhead::kernel {

class Thread;

template <typename Call>
using Outcome = abi::Result<typename Call::Output>;

// Declares handle() for every call in the list, so that one without a definition is a link error.
#define BULKHEAD_DECLARE_HANDLER(Call) Outcome<abi::Call> handle(Thread& caller, const abi::Call& call)
BULKHEAD_DECLARE_HANDLER(Null);
BULKHEAD_DECLARE_HANDLER(Yield);
BULKHEAD_DECLARE_HANDLER(Destroy);
BULKHEAD_DECLARE_HANDLER(CopyCapability);
BULKHEAD_DECLARE_HANDLER(RemoveCapability);
BULKHEAD_DECLARE_HANDLER(Inspect);
BULKHEAD_DECLARE_HANDLER(CreateDomain);
BULKHEAD_DECLARE_HANDLER(CreateThread);
BULKHEAD_DECLARE_HANDLER(SetThreadBases);
BULKHEAD_DECLARE_HANDLER(CreateSchedulingContext);
BULKHEAD_DECLARE_HANDLER(SetSchedulingContext);
BULKHEAD_DECLARE_HANDLER(CreatePortal);
BULKHEAD_DECLARE_HANDLER(DerivePortal);
BULKHEAD_DECLARE_HANDLER(CreateNotification);
BULKHEAD_DECLARE_HANDLER(DeriveNotification);
BULKHEAD_DECLARE_HANDLER(Signal);
BULKHEAD_DECLARE_HANDLER(Wait);
BULKHEAD_DECLARE_HANDLER(DeriveMemory);
BULKHEAD_DECLARE_HANDLER(MapMemory);
BULKHEAD_DECLARE_HANDLER(UnmapMemory);
BULKHEAD_DECLARE_HANDLER(DerivePorts);
BULKHEAD_DECLARE_HANDLER(MapPorts);
BULKHEAD_DECLARE_HANDLER(CreateInterrupt);
BULKHEAD_DECLARE_HANDLER(AcknowledgeInterrupt);
BULKHEAD_DECLARE_HANDLER(CreateVcpu);
BULKHEAD_DECLARE_HANDLER(BindVcpu);
BULKHEAD_DECLARE_HANDLER(RecallVcpu);
BULKHEAD_DECLARE_HANDLER(PullVcpuState);
BULKHEAD_DECLARE_HANDLER(PostInterrupt);
BULKHEAD_DECLARE_HANDLER(CreateVirtualInterrupt);
BULKHEAD_DECLARE_HANDLER(SetVirtualInterrupt);
BULKHEAD_DECLARE_HANDLER(PostVirtualInterrupt);
BULKHEAD_DECLARE_HANDLER(ReadLog);
BULKHEAD_DECLARE_HANDLER(WriteLog);
BULKHEAD_DECLARE_HANDLER(SetLogOutput);
BULKHEAD_DECLARE_HANDLER(Halt);
#undef BULKHEAD_DECLARE_HANDLER

}  // namespace bulkhead::kernel
