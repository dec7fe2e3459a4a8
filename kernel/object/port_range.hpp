// SPDX-License-Identifier: Apache-2.0
// A range of I/O ports. Domains into which it was mapped may use them until it is destroyed.
// Concurrency: under the configuration lock.
#pragma once

#include <cstdint>

#include "base/static_vector.hpp"
#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

class PortRange final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::PortRange;
    static constexpr uint32_t port_count = 65536;

    PortRange(Domain& owner, Object* source, uint16_t first, uint32_t count)
        : Object{object_type, &owner, source}, first_{first}, count_{count} {}

    uint16_t first() const { return first_; }
    uint32_t count() const { return count_; }

    /// Remembers that `domain` uses it; Overlap if it does already, Busy if too many do.
    abi::Result<void> attach(Domain& domain);
    /// Forgets a domain that dies.
    void detach(Domain& domain);

    void retire() override;
    size_t size_bytes() const override { return sizeof *this; }

  private:
    uint16_t first_;
    uint32_t count_;
    StaticVector<Domain*, 4> users_;
};

}  // namespace bulkhead::kernel
