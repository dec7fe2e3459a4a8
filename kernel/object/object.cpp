// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/object.hpp"

#include "kernel/object/domain.hpp"

namespace bulkhead::kernel {

Object::Object(abi::ObjectType type, Domain* owner, Object* source) : type_{type}, owner_{owner}, source_{source} {
    if (owner_ != nullptr) owner_->owned_.push_back(*this);
    if (source_ != nullptr) source_->derived_.push_back(*this);
}

}  // namespace bulkhead::kernel
