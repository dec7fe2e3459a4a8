// SPDX-License-Identifier: Apache-2.0
// An interrupt line bound to bits of a notification. A level-triggered line is masked when it arrives and stays so
// until it is acknowledged, so a driver that is slow or dead costs one interrupt. It dies with its notification, from
// which it is derived.
//
// Concurrency: made and destroyed under the configuration lock; `arrived` on the CPU the line goes to.
#pragma once

#include "abi/calls.hpp"
#include "kernel/object/notification.hpp"

namespace bulkhead::kernel {

class InterruptObject final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::Interrupt;

    InterruptObject(Domain& owner, Notification& notification, uint64_t bits)
        : Object{object_type, &owner, &notification}, notification_{&notification}, bits_{bits} {}

    /// Takes the line: BadArgument if there is none, Overlap if it is taken, OutOfMemory without a free vector.
    abi::Result<void> bind(uint32_t line, uint32_t cpu, abi::InterruptTrigger trigger);
    void acknowledge();
    /// An interrupt of a device vector came in on this CPU.
    static void arrived(uint8_t vector);

    void retire() override;

  private:
    Notification* notification_;
    uint64_t bits_;
    uint32_t line_ = 0;
    uint8_t vector_ = 0;  // 0: not bound
    bool level_ = false;
};

}  // namespace bulkhead::kernel
