// SPDX-License-Identifier: Apache-2.0
// The machine as a whole, and its I/O ports.
#pragma once

#include "base/static_vector.hpp"
#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

/// Whoever holds its capability may read the log, halt, and bind interrupt lines. One, made at boot for the root task.
class Machine final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::Machine;

    explicit Machine(Domain& owner) : Object{object_type, &owner, nullptr} {}
};

/// A range of I/O ports. Domains into which it was mapped (domain.cpp) may use them until it is destroyed.
/// Concurrency: under the configuration lock.
class PortRange final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::PortRange;
    static constexpr uint32_t port_count = 65536;

    PortRange(Domain& owner, Object* source, uint16_t first, uint32_t count)
        : Object{object_type, &owner, source}, first_{first}, count_{count} {}

    uint16_t first() const { return first_; }
    uint32_t count() const { return count_; }

    void retire() override;

  private:
    friend class Domain;

    uint16_t first_;
    uint32_t count_;
    StaticVector<Domain*, 4> users_;
};

}  // namespace bulkhead::kernel
