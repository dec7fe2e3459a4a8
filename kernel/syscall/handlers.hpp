// SPDX-License-Identifier: Apache-2.0
// What each system call does: one function `Outcome<Call> handle(Thread& caller, const Call& call)` per call struct, in
// the *_calls.cpp files. Decoded arguments in, results or a status out; first everything is checked, then what is done
// cannot fail half-way. Here is what they have in common: the caller's view of its capabilities, and all kinds of objects.
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

/// The live object of type T that the caller names, if its capability carries the rights.
template <typename T>
abi::Result<T*> lookup(Thread& caller, abi::Selector selector, abi::Rights rights) {
    return caller.domain().lookup<T>(selector, rights);
}

/// The owner of what `call` creates, when it may be named as such and the slot for the new capability is empty.
template <typename Call>
abi::Result<Domain*> owner_of_new(Thread& caller, const Call& call, abi::Rights rights = abi::DomainRight::Create) {
    TRY(caller.domain().capabilities().check_empty(call.slot));
    return lookup<Domain>(caller, call.owner, rights);
}

/// Makes what `call` creates, of type T, and puts a capability to it into the caller's slot.
template <typename T, typename Call, typename... Arguments>
abi::Result<void> create(Thread& caller, const Call& call, Domain& owner, abi::Rights rights, Arguments&&... arguments) {
    T* object = TRY(owner.make<T>(std::forward<Arguments>(arguments)...));
    return caller.domain().publish(call.slot, *object, rights);
}

/// Rights of a derived object's capability: it can be destroyed and derived from again, the rest as far as held.
inline abi::Rights derived_rights(Thread& holder, abi::Selector source, abi::Rights wanted) {
    const abi::Rights held = abi::CapabilityWord::RightsField::read(holder.domain().capabilities().read(source));
    return static_cast<abi::Rights>(abi::Right::Destroy | abi::Right::Derive | (held & wanted));
}

}  // namespace bulkhead::kernel
