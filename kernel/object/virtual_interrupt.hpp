// SPDX-License-Identifier: Apache-2.0
// The right to post one interrupt to a guest. Its monitor retargets and masks it in place, like an entry of an MSI-X
// table; who holds only the right to post need not know about that.
//
// Concurrency: `post` from any CPU; the rest under the configuration lock. The target stays allocated until every CPU
// has left the kernel once after it was taken away (graveyard.cpp).
#pragma once

#include <atomic>

#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

class Vcpu;

class VirtualInterrupt final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::VirtualInterrupt;

    VirtualInterrupt(Domain& owner, Vcpu& target, uint8_t vector);

    void post();
    /// One that came while masked is posted at unmasking.
    void set(Vcpu& target, uint8_t vector, bool masked);
    /// The target dies.
    void lose_target();

    void retire() override { lose_target(); }

    ListHook<VirtualInterrupt> target_hook_;  // in the target's list

  private:
    // Bits of `state_`.
    using Vector = BitField<0, 8, uint8_t>;
    using Masked = Bit<8>;
    using Pending = Bit<9>;

    std::atomic<Vcpu*> target_{nullptr};
    std::atomic<uint32_t> state_{0};
};

}  // namespace bulkhead::kernel
