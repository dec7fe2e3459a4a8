// SPDX-License-Identifier: Apache-2.0
// A typed entry point into another domain (portal, PT): a handler thread, where it starts, and a badge that tells the
// handler which portal was called. It is derived from its handler, or from the portal it copies. Immutable.
#pragma once

#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

class Thread;

class Portal final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::Portal;

    Portal(Domain& owner, Object& source, Thread& handler, uint64_t entry, uint64_t badge)
        : Object{object_type, &owner, &source}, handler_{&handler}, entry_{entry}, badge_{badge} {}

    Thread& handler() const { return *handler_; }
    uint64_t entry() const { return entry_; }
    uint64_t badge() const { return badge_; }

  private:
    friend struct AsmOffsets;

    Thread* handler_;
    uint64_t entry_;
    uint64_t badge_;
};

}  // namespace bulkhead::kernel
