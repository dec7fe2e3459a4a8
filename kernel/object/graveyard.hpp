// SPDX-License-Identifier: Apache-2.0
// Destroys objects, in phases that make each next one safe (architecture.md section 3):
//
//   1 condemn    the object, all derived from it, all owned by it, and so on: their capabilities become stale at once
//   2 grace      every CPU leaves what it was doing in the kernel: nobody can reach them by a lookup made before
//   3 retire     each on its own CPU is taken out of queues, waits and call chains; waiters get an error
//   4 dismantle  mappings go, with their TLB entries
//   5 grace      again: pointers picked up from other objects before phase 3 are gone, and wake-ups under way arrived
//   6 free       memory goes back to the owners
//
// Concurrency: under the configuration lock throughout; interrupts are let in between the steps.
#pragma once

#include "base/intrusive_list.hpp"
#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

class Graveyard {
  public:
    /// Destroys `object` and all that depends on it. The caller holds the configuration lock.
    static void destroy(Object& object);
    /// Undoes the making of an object that never got a capability.
    static void discard(Object& object);

  private:
    void condemn(Object& object);
    void condemn_dependents(Object& object);
    void retire_all();
    void free_all();
    static void free(Object& object);
    static void grace();

    // Order of condemnation: sources before what is derived, domains before what they own.
    IntrusiveList<Object, &Object::owned_hook_> condemned_;
};

}  // namespace bulkhead::kernel
