// SPDX-License-Identifier: Apache-2.0
// The first and the last steps of every creating call: who pays and whether the slot is free; then memory on the owner's
// account, and a capability in the caller's slot.
// Concurrency: under the configuration lock.
#pragma once

#include <new>
#include <utility>

#include "kernel/object/domain.hpp"
#include "kernel/object/graveyard.hpp"

namespace bulkhead::kernel {

/// The owner of what `call` creates, when it may be named as such and the slot for the new capability is empty.
template <typename Call>
abi::Result<Domain*> owner_of_new(Domain& caller, const Call& call, abi::Rights rights = abi::DomainRight::Create) {
    TRY(caller.capabilities().check_empty(call.slot));
    return caller.lookup<Domain>(call.owner, rights);
}

/// Rights of a derived object's capability: it can be destroyed and derived from again, the rest as far as held.
inline abi::Rights derived_rights(Domain& holder, abi::Selector source, abi::Rights wanted) {
    const abi::Rights held = abi::CapabilityWord::RightsField::read(holder.capabilities().read(source));
    return static_cast<abi::Rights>(abi::Right::Destroy | abi::Right::Derive | (held & wanted));
}

/// Makes an object of `owner`. Its constructor enters it into the owner's list.
template <typename T, typename... Arguments>
abi::Result<T*> make_object(Domain& owner, Arguments&&... arguments) {
    void* memory = TRY(owner.heap().allocate(sizeof(T)));
    return new (memory) T{owner, std::forward<Arguments>(arguments)...};
}

/// Puts a capability to a new object into an empty slot; without success the object is gone again.
inline abi::Result<void> publish(Domain& holder, abi::Selector slot, Object& object, abi::Rights rights = abi::all_rights) {
    auto word = ObjectTable::insert(object);
    if (!word.ok()) {
        Graveyard::discard(object);
        return word.error();
    }
    auto filled = holder.capabilities().fill(slot, abi::CapabilityWord::RightsField::write(word.value(), rights));
    if (!filled.ok()) {
        ObjectTable::remove(object);
        Graveyard::discard(object);
    }
    return filled;
}

}  // namespace bulkhead::kernel
