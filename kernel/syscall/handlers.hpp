// SPDX-License-Identifier: Apache-2.0
// What each system call does: one function per call struct, in the *_calls.cpp files, which gets the caller, the
// decoded call, and the objects that the call names, in the order of its members:
//
//     Outcome<CreatePortal> handle(Thread& caller, const CreatePortal& call, Held<Domain> owner, Held<Thread> handler);
//
// system_call.cpp has seen to it that the objects are of the types and the capabilities carry the rights that
// include/abi/calls.hpp says, and that the slot for what is made is empty; calls that change the configuration have its
// lock. A handler checks the rest first; then what is done cannot fail half-way.
#pragma once

#include "kernel/object/domain.hpp"
#include "kernel/object/interrupt.hpp"
#include "kernel/object/machine.hpp"
#include "kernel/object/memory_object.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/object/vcpu.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

template <typename Call>
using Outcome = abi::Result<abi::Output<Call>>;

/// A capability that the caller holds: the object, or null if it is an optional one that was left out, and the word.
template <typename T>
struct Held {
    T* object;
    uint64_t word;

    T& operator*() const { return *object; }
    T* operator->() const { return object; }
    abi::Rights rights() const { return abi::CapabilityWord::RightsField::read(word); }
    /// Rights of a derived object's capability: it can be destroyed and derived from again, the rest as far as held.
    abi::Rights derived_rights(abi::Rights wanted) const {
        return static_cast<abi::Rights>(abi::Right::Destroy | abi::Right::Derive | (rights() & wanted));
    }
};

/// Makes an object of type T and puts a capability to it into an empty slot of the caller's.
template <typename T, typename... Arguments>
abi::Result<void> create(Thread& caller, abi::Selector slot, Domain& owner, abi::Rights rights,
                         Arguments&&... arguments) {
    T* object = TRY(owner.make<T>(std::forward<Arguments>(arguments)...));
    return caller.domain().publish(slot, *object, rights);
}

}  // namespace bulkhead::kernel
