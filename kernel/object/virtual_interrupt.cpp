// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/virtual_interrupt.hpp"

#include "kernel/object/vcpu.hpp"

namespace bulkhead::kernel {

VirtualInterrupt::VirtualInterrupt(Domain& owner, Vcpu& target, uint8_t vector) : Object{object_type, &owner, &target} {
    set(target, vector, false);
}

void VirtualInterrupt::post() {
    uint32_t state = state_.load();
    while (Masked::read(state)) {
        if (state_.compare_exchange_weak(state, state | static_cast<uint32_t>(Pending::mask))) return;
    }
    if (Vcpu* target = target_.load()) target->post(Vector::read(state), abi::PostKind::Fixed);
}

void VirtualInterrupt::set(Vcpu& target, uint8_t vector, bool masked) {
    lose_target();
    target_.store(&target);
    target.virtual_interrupts_.push_back(*this);
    uint32_t state = state_.load();
    uint32_t wanted;
    do {
        wanted =
            static_cast<uint32_t>(Vector::make(vector) | Masked::make(masked) | (masked ? state & Pending::mask : 0));
    } while (!state_.compare_exchange_weak(state, wanted));
    if (!masked && Pending::read(state)) post();
}

void VirtualInterrupt::lose_target() {
    Vcpu* target = target_.exchange(nullptr);
    if (target != nullptr) target->virtual_interrupts_.remove(*this);
}

}  // namespace bulkhead::kernel
