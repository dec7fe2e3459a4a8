// SPDX-License-Identifier: Apache-2.0
// VM-execution, exit and entry controls, each class a type of its own, and the capability MSRs that say which of them a
// CPU has. Intel SDM vol. 3C, 25.6 to 25.8; vol. 3D, appendix A.
#pragma once

#include <cstdint>

#include "base/bit_field.hpp"
#include "hw/x86/msr.hpp"

namespace bulkhead::x86 {

enum class PinControl : uint32_t {
    ExternalInterruptExit = 1u << 0,
    NmiExit = 1u << 3,
    VirtualNmis = 1u << 5,
    PreemptionTimer = 1u << 6,
};

enum class PrimaryControl : uint32_t {
    InterruptWindowExit = 1u << 2,
    TscOffset = 1u << 3,
    HltExit = 1u << 7,
    MwaitExit = 1u << 10,
    RdpmcExit = 1u << 11,
    Cr3LoadExit = 1u << 15,
    Cr3StoreExit = 1u << 16,
    Cr8LoadExit = 1u << 19,
    Cr8StoreExit = 1u << 20,
    TprShadow = 1u << 21,
    NmiWindowExit = 1u << 22,
    MovDrExit = 1u << 23,
    UnconditionalIoExit = 1u << 24,
    MsrBitmap = 1u << 28,
    MonitorExit = 1u << 29,
    Secondary = 1u << 31,
};

enum class SecondaryControl : uint32_t {
    Ept = 1u << 1,
    Rdtscp = 1u << 3,
    VirtualizeX2Apic = 1u << 4,
    Vpid = 1u << 5,
    UnrestrictedGuest = 1u << 7,
    ApicRegisterVirtualization = 1u << 8,
    VirtualInterruptDelivery = 1u << 9,
    Invpcid = 1u << 12,
    Xsaves = 1u << 20,
};

enum class ExitControl : uint32_t {
    SaveDebugControls = 1u << 2,
    HostLongMode = 1u << 9,
    AcknowledgeInterrupt = 1u << 15,
    SavePat = 1u << 18,
    LoadPat = 1u << 19,
    SaveEfer = 1u << 20,
    LoadEfer = 1u << 21,
};

enum class EntryControl : uint32_t {
    LoadDebugControls = 1u << 2,
    LongModeGuest = 1u << 9,
    LoadPat = 1u << 14,
    LoadEfer = 1u << 15,
};

/// Appendix A. The low half of a controls MSR has a bit for each control that must be 1, the high half one for each that
/// may be 1.
enum class VmxMsr : uint32_t {
    Basic = 0x480,
    PinControls = 0x481,
    PrimaryControls = 0x482,
    ExitControls = 0x483,
    EntryControls = 0x484,
    Miscellaneous = 0x485,
    Cr0Fixed0 = 0x486,
    Cr0Fixed1 = 0x487,
    Cr4Fixed0 = 0x488,
    Cr4Fixed1 = 0x489,
    SecondaryControls = 0x48b,
    EptVpid = 0x48c,
    TruePinControls = 0x48d,
    TruePrimaryControls = 0x48e,
    TrueExitControls = 0x48f,
    TrueEntryControls = 0x490,
};
constexpr Msr msr(VmxMsr index) { return static_cast<Msr>(index); }
inline constexpr Msr time_stamp_counter = static_cast<Msr>(0x10);

struct VmxBasic {
    using Revision = BitField<0, 31, uint32_t>;
    using TrueControls = Bit<55>;
};

/// VmxMsr::Miscellaneous.
struct VmxMiscellaneous {
    using TimerShift = BitField<0, 5, uint8_t>;  // the preemption timer counts every 2^this ticks of the TSC
};

struct EptVpidCapability {
    using FourLevels = Bit<6>;
    using WriteBack = Bit<14>;
    using Invept = Bit<20>;
    using InveptSingle = Bit<25>;
    using Invvpid = Bit<32>;
    using InvvpidSingle = Bit<41>;
};

struct EptPointer {
    using MemoryType = BitField<0, 3>;  // 6: write-back
    using Levels = BitField<3, 3>;      // minus one
    static constexpr uint64_t write_back_four_levels = MemoryType::make(6) | Levels::make(3);
};

/// Msr::FeatureControl.
struct FeatureControl {
    using Locked = Bit<0>;
    using VmxOutsideSmx = Bit<2>;
};

}  // namespace bulkhead::x86
