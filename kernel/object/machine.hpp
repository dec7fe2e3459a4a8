// SPDX-License-Identifier: Apache-2.0
// The machine as a whole: whoever holds its capability may read the log, halt, and bind interrupt lines. One, made at
// boot for the root task.
#pragma once

#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

class Machine final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::Machine;

    explicit Machine(Domain& owner) : Object{object_type, &owner, nullptr} {}
    size_t size_bytes() const override { return sizeof *this; }
};

}  // namespace bulkhead::kernel
