// SPDX-License-Identifier: Apache-2.0
// The typed lookup of a capability: the one place that says which error a wrong capability gets.
#pragma once

#include "kernel/capability/object_table.hpp"
#include "kernel/object/domain.hpp"

namespace bulkhead::kernel {

template <typename T>
abi::Result<T*> Domain::lookup(abi::Selector selector, abi::Rights rights) const {
    using abi::CapabilityWord;
    const uint64_t word = capabilities_.read(selector);
    Object* object = word != 0 ? ObjectTable::find(word) : nullptr;
    if (object == nullptr) return abi::Status::BadCapability;
    if constexpr (!std::is_same_v<T, Object>) {
        if (object->type() != T::object_type) return abi::Status::WrongType;
    }
    if ((CapabilityWord::RightsField::read(word) & rights) != rights) return abi::Status::MissingRight;
    return static_cast<T*>(object);
}

}  // namespace bulkhead::kernel
