// SPDX-License-Identifier: Apache-2.0
// VT-x: controls and the capability MSRs that say which a CPU has (Intel SDM vol. 3C, 25.6 to 25.8; vol. 3D, appendix
// A), fields of the virtual-machine control structure (appendix B), exits and events (vol. 3C, 28.2, 25.9; appendix C).
#pragma once

#include "hw/x86/msr.hpp"

namespace bulkhead::x86 {

// clang-format off
enum class PinControl : uint32_t {
    ExternalInterruptExit = 1u << 0, NmiExit = 1u << 3, VirtualNmis = 1u << 5, PreemptionTimer = 1u << 6,
};

enum class PrimaryControl : uint32_t {
    InterruptWindowExit = 1u << 2, TscOffset = 1u << 3,            HltExit = 1u << 7,       MwaitExit = 1u << 10,
    RdpmcExit = 1u << 11,          Cr3LoadExit = 1u << 15,         Cr3StoreExit = 1u << 16, TprShadow = 1u << 21,
    NmiWindowExit = 1u << 22,      UnconditionalIoExit = 1u << 24, MsrBitmap = 1u << 28,    MonitorExit = 1u << 29,
    Secondary = 1u << 31,
};

enum class SecondaryControl : uint32_t {
    Ept = 1u << 1,                      Rdtscp = 1u << 3,            VirtualizeX2Apic = 1u << 4,
    Vpid = 1u << 5,                     UnrestrictedGuest = 1u << 7, ApicRegisterVirtualization = 1u << 8,
    VirtualInterruptDelivery = 1u << 9, Invpcid = 1u << 12,          Xsaves = 1u << 20,
};

enum class ExitControl : uint32_t {
    SaveDebugControls = 1u << 2, HostLongMode = 1u << 9, AcknowledgeInterrupt = 1u << 15, SavePat = 1u << 18,
    LoadPat = 1u << 19,          SaveEfer = 1u << 20,    LoadEfer = 1u << 21,
};

enum class EntryControl : uint32_t {
    LoadDebugControls = 1u << 2, LongModeGuest = 1u << 9, LoadPat = 1u << 14, LoadEfer = 1u << 15,
};

/// The capability MSRs. The low half of a controls MSR has a bit for each control that must be 1, the high half one for
/// each that may be 1.
enum class VmxMsr : uint32_t {
    Basic = 0x480,           PinControls = 0x481,      PrimaryControls = 0x482,     ExitControls = 0x483,
    EntryControls = 0x484,   Miscellaneous = 0x485,    Cr4Fixed1 = 0x489,           SecondaryControls = 0x48b,
    EptVpid = 0x48c,         TruePinControls = 0x48d,  TruePrimaryControls = 0x48e, TrueExitControls = 0x48f,
    TrueEntryControls = 0x490,
};
// clang-format on
constexpr Msr msr(VmxMsr index) { return static_cast<Msr>(index); }

struct VmxBasic {
    using Revision = BitField<0, 31, uint32_t>;
    using TrueControls = Bit<55>;
};

/// Of VmxMsr::Miscellaneous: the preemption timer counts every 2^this ticks of the TSC.
using PreemptionTimerShift = BitField<0, 5, uint8_t>;

struct EptVpidCapability {
    using FourLevels = Bit<6>;
    using WriteBack = Bit<14>;
    using InveptSingle = Bit<25>;
    using InvvpidAll = Bit<42>;
};

/// Of an EPT pointer: the memory type of the tables (6: write-back), and from bit 3 the number of levels minus one.
inline constexpr uint64_t ept_write_back_four_levels = 6 | 3 << 3;

/// Msr::FeatureControl.
struct FeatureControl {
    using Locked = Bit<0>;
    using VmxOutsideSmx = Bit<2>;
};

// clang-format off
/// Only fields this project uses. Bits 14:13 of an encoding are the width of the field: 16, 64, 32 bits, natural.
enum class VmcsField : uint32_t {
    // 16-bit control and guest
    VirtualProcessorId = 0x0000, GuestEsSelector = 0x0800,      GuestCsSelector = 0x0802, GuestSsSelector = 0x0804,
    GuestDsSelector = 0x0806,    GuestFsSelector = 0x0808,      GuestGsSelector = 0x080a, GuestLdtrSelector = 0x080c,
    GuestTrSelector = 0x080e,    GuestInterruptStatus = 0x0810,
    // 16-bit host
    HostEsSelector = 0x0c00, HostCsSelector = 0x0c02, HostSsSelector = 0x0c04, HostDsSelector = 0x0c06,
    HostFsSelector = 0x0c08, HostGsSelector = 0x0c0a, HostTrSelector = 0x0c0c,
    // 64-bit control
    MsrBitmap = 0x2004,      TscOffset = 0x2010,      VirtualApicPage = 0x2012, EptPointer = 0x201a,
    EoiExitBitmap0 = 0x201c, EoiExitBitmap1 = 0x201e, EoiExitBitmap2 = 0x2020,  EoiExitBitmap3 = 0x2022,
    // 64-bit read-only, guest, host
    GuestPhysicalAddress = 0x2400, VmcsLinkPointer = 0x2800, GuestDebugControl = 0x2802, GuestPat = 0x2804,
    GuestEfer = 0x2806,            HostPat = 0x2c00,         HostEfer = 0x2c02,
    // 32-bit control
    PinControls = 0x4000,      PrimaryControls = 0x4002,        ExceptionBitmap = 0x4004,   PageFaultMask = 0x4006,
    PageFaultMatch = 0x4008,   Cr3TargetCount = 0x400a,         ExitControls = 0x400c,      ExitMsrStoreCount = 0x400e,
    ExitMsrLoadCount = 0x4010, EntryControls = 0x4012,          EntryMsrLoadCount = 0x4014, EntryInterruption = 0x4016,
    EntryErrorCode = 0x4018,   EntryInstructionLength = 0x401a, TprThreshold = 0x401c,      SecondaryControls = 0x401e,
    // 32-bit read-only
    InstructionError = 0x4400,     ExitReason = 0x4402,         ExitInterruption = 0x4404,  ExitErrorCode = 0x4406,
    VectoringInformation = 0x4408, VectoringErrorCode = 0x440a, InstructionLength = 0x440c,
    // 32-bit guest, host
    GuestEsLimit = 0x4800,    GuestCsLimit = 0x4802,         GuestSsLimit = 0x4804,          GuestDsLimit = 0x4806,
    GuestFsLimit = 0x4808,    GuestGsLimit = 0x480a,         GuestLdtrLimit = 0x480c,        GuestTrLimit = 0x480e,
    GuestGdtrLimit = 0x4810,  GuestIdtrLimit = 0x4812,       GuestEsAccess = 0x4814,         GuestCsAccess = 0x4816,
    GuestSsAccess = 0x4818,   GuestDsAccess = 0x481a,        GuestFsAccess = 0x481c,         GuestGsAccess = 0x481e,
    GuestLdtrAccess = 0x4820, GuestTrAccess = 0x4822,        GuestInterruptibility = 0x4824, GuestActivity = 0x4826,
    GuestSysenterCs = 0x482a, GuestPreemptionTimer = 0x482e, HostSysenterCs = 0x4c00,
    // natural width: control, read-only
    Cr0Mask = 0x6000,       Cr4Mask = 0x6002,            Cr0Shadow = 0x6004, Cr4Shadow = 0x6006,
    Qualification = 0x6400, GuestLinearAddress = 0x640a,
    // natural width: guest
    GuestCr0 = 0x6800,      GuestCr3 = 0x6802,          GuestCr4 = 0x6804,         GuestEsBase = 0x6806,
    GuestCsBase = 0x6808,   GuestSsBase = 0x680a,       GuestDsBase = 0x680c,      GuestFsBase = 0x680e,
    GuestGsBase = 0x6810,   GuestLdtrBase = 0x6812,     GuestTrBase = 0x6814,      GuestGdtrBase = 0x6816,
    GuestIdtrBase = 0x6818, GuestDr7 = 0x681a,          GuestRsp = 0x681c,         GuestRip = 0x681e,
    GuestRflags = 0x6820,   GuestPendingDebug = 0x6822, GuestSysenterEsp = 0x6824, GuestSysenterEip = 0x6826,
    // natural width: host
    HostCr0 = 0x6c00,         HostCr3 = 0x6c02,         HostCr4 = 0x6c04,      HostFsBase = 0x6c06,
    HostGsBase = 0x6c08,      HostTrBase = 0x6c0a,      HostGdtrBase = 0x6c0c, HostIdtrBase = 0x6c0e,
    HostSysenterEsp = 0x6c10, HostSysenterEip = 0x6c12, HostRsp = 0x6c14,      HostRip = 0x6c16,
};

enum class VmxExit : uint16_t {
    ExceptionOrNmi = 0, ExternalInterrupt = 1,    TripleFault = 2,        InterruptWindow = 7,
    NmiWindow = 8,      TaskSwitch = 9,           Cpuid = 10,             Hlt = 12,
    Vmcall = 18,        CrAccess = 28,            IoInstruction = 30,     Rdmsr = 31,
    Wrmsr = 32,         InvalidGuestState = 33,   TprBelowThreshold = 43, VirtualizedEoi = 45,
    EptViolation = 48,  EptMisconfiguration = 49, PreemptionTimer = 52,   Xsetbv = 55,
};
// clang-format on

struct VmxExitReason {
    using Basic = BitField<0, 16, VmxExit>;
    using EntryFailure = Bit<31>;
};

/// Qualification of an I/O exit.
struct VmxIo {
    using Size = BitField<0, 3, uint8_t>;  // minus `size_bias`
    static constexpr uint8_t size_bias = 1;
    using In = Bit<3>;
    using String = Bit<4>;
    using Repeat = Bit<5>;
    using Port = BitField<16, 16, uint16_t>;
};

struct CrQualification {
    using Number = BitField<0, 4, uint8_t>;
    enum class Kind : uint8_t { MoveTo, MoveFrom, Clts, Lmsw };
    using Access = BitField<4, 2, Kind>;
    using GeneralRegister = BitField<8, 4, uint8_t>;
};

struct EptQualification {
    using Read = Bit<0>;
    using Write = Bit<1>;
    using Execute = Bit<2>;
    using LinearValid = Bit<7>;
    using FinalAccess = Bit<8>;  // 0: the guest's page walk
};

/// Entry interruption, exit interruption and IDT-vectoring information have one format; EVENTINJ and EXITINTINFO of
/// AMD-V differ in type 1 and 6 not being used, and in the error code being in the upper half.
struct EventInformation {
    // From 4 on the event is of an instruction (INT, INT1, INT3), whose length an entry has to be told.
    enum class Kind : uint8_t { External = 0, Nmi = 2, HardwareException = 3, FirstOfInstructions = 4 };
    using Vector = BitField<0, 8, uint8_t>;
    using Type = BitField<8, 3, Kind>;
    using HasErrorCode = Bit<11>;
    using NmiUnblocking = Bit<12>;  // exit information only: IRET had unblocked NMIs
    using Valid = Bit<31>;
    using ErrorCode = BitField<32, 32, uint32_t>;  // EVENTINJ, EXITINTINFO, and our own 64-bit form of both

    /// The vector is a number or an `Exception`.
    static constexpr uint64_t make(auto vector, Kind kind = Kind::HardwareException) {
        return Vector::make(static_cast<uint8_t>(vector)) | Type::make(kind) | Valid::make(true);
    }
};

struct Interruptibility {
    using Sti = Bit<0>;
    using MovSs = Bit<1>;
    using Nmi = Bit<3>;
};

/// Of DR6, and of VmcsField::GuestPendingDebug.
using SingleStep = Bit<14>;

struct GuestInterruptStatus {
    using Requesting = BitField<0, 8, uint8_t>;
    using Servicing = BitField<8, 8, uint8_t>;
};

}  // namespace bulkhead::x86
