// SPDX-License-Identifier: Apache-2.0
// The last steps of every creating call: memory on the owner's account, and a capability in the caller's slot.
// Concurrency: under the configuration lock.
#pragma once

#include <new>
#include <utility>

#include "kernel/object/domain.hpp"
#include "kernel/object/graveyard.hpp"

namespace bulkhead::kernel {

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
