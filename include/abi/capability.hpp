// SPDX-License-Identifier: Apache-2.0
// Selectors, object types and rights: what a capability says. See docs/design/capabilities.md.
#pragma once

#include "base/bit_field.hpp"

namespace bulkhead::abi {

/// Index of a slot in the calling domain's capability space. Slot 0 is always empty.
using Selector = uint32_t;

inline constexpr Selector null_selector = 0;

enum class ObjectType : uint8_t {
    None = 0,
    Domain,
    Thread,
    Vcpu,
    SchedulingContext,
    Portal,
    Notification,
    MemoryObject,
    VirtualInterrupt,
    Doorbell,
    Interrupt,
    PortRange,
    DeviceSpace,
    Machine,  ///< the machine as a whole: log, halt, interrupt lines; created at boot for the root task
    Count
};

/// A set of rights. Bits 0 and 1 mean the same for every type; the others belong to the type.
using Rights = uint16_t;
inline constexpr unsigned rights_width = 12;
inline constexpr Rights all_rights = (1u << rights_width) - 1;

/// Rights of every type.
struct Right {
    static constexpr Rights Destroy = 1 << 0, Derive = 1 << 1;
};
struct DomainRight : Right {
    static constexpr Rights Create = 1 << 2;  ///< name it as owner of what is created or derived
    static constexpr Rights Map = 1 << 3;     ///< change its address, port and device spaces
    static constexpr Rights Grant = 1 << 4;   ///< put capabilities into its space and take them out
};
struct ThreadRight : Right {
    static constexpr Rights Control = 1 << 2;  ///< bind scheduling contexts and portals, set its bases
};
struct VcpuRight : Right {
    static constexpr Rights Control = 1 << 2;  ///< bind the exit portal, recall, pull state, bind scheduling context
    static constexpr Rights Post = 1 << 3;     ///< post interrupts; make virtual interrupts
};
struct SchedulingContextRight : Right {
    static constexpr Rights Control = 1 << 2;
};
struct PortalRight : Right {
    static constexpr Rights Call = 1 << 2;
};
struct NotificationRight : Right {
    static constexpr Rights Signal = 1 << 2, Wait = 1 << 3;
};
struct MemoryRight : Right {
    static constexpr Rights Read = 1 << 2, Write = 1 << 3, Execute = 1 << 4, DeviceDma = 1 << 5;
};
struct VirtualInterruptRight : Right {
    static constexpr Rights Post = 1 << 2;
    static constexpr Rights Control = 1 << 3;  ///< retarget and mask
};
struct DoorbellRight : Right {
    static constexpr Rights Bind = 1 << 2;  ///< say what it signals
};
struct InterruptRight : Right {
    static constexpr Rights Acknowledge = 1 << 2;
};
struct PortRangeRight : Right {
    static constexpr Rights Access = 1 << 2;
};
struct MachineRight : Right {
    static constexpr Rights Halt = 1 << 2;
    static constexpr Rights Log = 1 << 3;         ///< read the kernel's log, write to it
    static constexpr Rights Interrupts = 1 << 4;  ///< create Interrupt objects
};

/// One slot of a capability space, one 64-bit word (section 2 of architecture.md). Zero is the empty slot.
struct CapabilityWord {
    using Index = BitField<0, 22>;
    using Generation = BitField<22, 22>;
    using RightsField = BitField<44, rights_width, Rights>;
    using Type = BitField<56, 6, ObjectType>;
};

}  // namespace bulkhead::abi
