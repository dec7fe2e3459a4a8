// SPDX-License-Identifier: Apache-2.0
// Destroys objects, in phases that make each next one safe (architecture.md section 3):
//
//   1 condemn    the object, all derived from it, all owned by it, and so on: their capabilities become stale at once
//   2 grace      every CPU leaves what it was doing in the kernel: nobody can reach them by a lookup made before
//   3 retire     each on its own CPU is taken out of queues, waits and call chains; waiters get an error
//   4 dismantle  mappings go, with their TLB entries
//   5 retire     what the thread at work lives on: without it nobody would be left to go on behind a preemption
//   6 grace      again: pointers picked up from other objects before they retired are gone, and wake-ups arrived
//   7 free       memory goes back to the owners
//
// Concurrency: under the configuration lock, a long operation: threads run between the steps.
#pragma once

#include "base/intrusive_list.hpp"
#include "kernel/object/configuration_lock.hpp"
#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

class Graveyard final : public LongOperation {
  public:
    /// What destroys `object` and all that depends on it; the call ends with `status`. The caller holds the
    /// configuration lock.
    static LongOperation& bury(Object& object, abi::Status status = abi::Status::Ok);
    std::optional<abi::Status> step() override;
    /// Undoes the making of an object that never got a capability.
    static void discard(Object& object);

  private:
    enum class Phase : uint8_t { Condemn, Retire, Dismantle, RetireRest, Free };

    void condemn(Object& object);
    bool condemn_dependent(Object& object);
    bool visit(Object& object);
    bool free_next();
    static void retire(Object& object);
    static void free(Object& object);

    Phase phase_ = Phase::Free;
    abi::Status status_ = abi::Status::Ok;
    Object* at_ = nullptr;  // whom this phase has come to
    // Order of condemnation: sources before what is derived, domains before what they own.
    IntrusiveList<Object, &Object::owned_hook_> condemned_;
    IntrusiveList<Object, &Object::owned_hook_> domains_;  // to be freed, the last condemned first
};

}  // namespace bulkhead::kernel
