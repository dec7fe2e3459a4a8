// SPDX-License-Identifier: Apache-2.0
// Exit reasons, exit qualifications and event fields of VT-x. Intel SDM vol. 3C, 28.2, 25.9; vol. 3D, appendix C.
#pragma once

#include <cstdint>

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

enum class VmxExit : uint16_t {
    ExceptionOrNmi = 0,
    ExternalInterrupt = 1,
    TripleFault = 2,
    Init = 3,
    InterruptWindow = 7,
    NmiWindow = 8,
    TaskSwitch = 9,
    Cpuid = 10,
    Hlt = 12,
    Invd = 13,
    Rdpmc = 15,
    Vmcall = 18,
    Vmclear = 19,
    Vmxon = 27,
    CrAccess = 28,
    IoInstruction = 30,
    Rdmsr = 31,
    Wrmsr = 32,
    InvalidGuestState = 33,
    MsrLoading = 34,
    Mwait = 36,
    Monitor = 39,
    MachineCheckOnEntry = 41,
    TprBelowThreshold = 43,
    ApicAccess = 44,
    VirtualizedEoi = 45,
    DescriptorTable = 46,
    TaskRegister = 47,
    EptViolation = 48,
    EptMisconfiguration = 49,
    Invept = 50,
    PreemptionTimer = 52,
    Invvpid = 53,
    Wbinvd = 54,
    Xsetbv = 55,
    ApicWrite = 56,
};

struct VmxExitReason {
    using Basic = BitField<0, 16, VmxExit>;
    using EntryFailure = Bit<31>;
};

struct IoQualification {
    using SizeMinusOne = BitField<0, 3, uint8_t>;
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
    enum class Kind : uint8_t {
        External = 0,
        Nmi = 2,
        HardwareException = 3,
        SoftwareInterrupt = 4,
        PrivilegedException = 5,
        SoftwareException = 6,
    };
    using Vector = BitField<0, 8, uint8_t>;
    using Type = BitField<8, 3, Kind>;
    using HasErrorCode = Bit<11>;
    using NmiUnblocking = Bit<12>;  // exit information only: IRET had unblocked NMIs
    using Valid = Bit<31>;
    using ErrorCode = BitField<32, 32, uint32_t>;  // EVENTINJ, EXITINTINFO, and our own 64-bit form of both

    static constexpr uint64_t make(uint8_t vector, Kind kind) {
        return Vector::make(vector) | Type::make(kind) | Valid::make(true);
    }
};

struct Interruptibility {
    using Sti = Bit<0>;
    using MovSs = Bit<1>;
    using Nmi = Bit<3>;
};

struct PendingDebug {
    using SingleStep = Bit<14>;
};

struct GuestInterruptStatus {
    using Requesting = BitField<0, 8, uint8_t>;
    using Servicing = BitField<8, 8, uint8_t>;
};

}  // namespace bulkhead::x86
