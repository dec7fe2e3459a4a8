// SPDX-License-Identifier: Apache-2.0
// An interrupt on its way to local APICs, whoever sends it: IOAPIC, MSI or another local APIC.
#pragma once

#include <cstdint>

namespace bulkhead::vmm {

enum class DeliveryMode : uint8_t {
    Fixed = 0,
    LowestPriority = 1,
    SystemManagement = 2,
    Nmi = 4,
    Init = 5,
    StartUp = 6,
    External = 7,
};

struct InterruptMessage {
    uint32_t destination = 0;
    bool logical = false;
    bool level = false;
    DeliveryMode mode = DeliveryMode::Fixed;
    uint8_t vector = 0;
};

/// Vectors below are exceptions: a local APIC refuses them.
inline constexpr uint8_t first_interrupt_vector = 16;
inline constexpr uint32_t x2apic_broadcast = 0xffffffff;
inline constexpr uint32_t xapic_broadcast = 0xff;

/// Finds the local APICs a message is for.
class InterruptRouter {
  public:
    /// `wide`: the destination is an x2APIC's 32 bits, not an xAPIC's 8.
    virtual void route(const InterruptMessage& message, bool wide) = 0;

  protected:
    ~InterruptRouter() = default;
};

}  // namespace bulkhead::vmm
