// SPDX-License-Identifier: Apache-2.0
// CR0, CR4, EFER and RFLAGS as bits. Intel SDM vol. 3A, 2.3 and 2.5; AMD APM vol. 2, 3.1. Data only, no instructions.
#pragma once

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

struct Cr0 {
    using ProtectionEnable = Bit<0>;
    using TaskSwitched = Bit<3>;
    using NumericError = Bit<5>;
    using NotWriteThrough = Bit<29>;
    using CacheDisable = Bit<30>;
    using Paging = Bit<31>;
};

struct Cr4 {
    using PhysicalAddressExtension = Bit<5>;
    using MachineCheckEnable = Bit<6>;
    using PageGlobalEnable = Bit<7>;
    using FxSaveEnable = Bit<9>;
    using SimdExceptions = Bit<10>;
    using UserInstructionPrevention = Bit<11>;
    using VmxEnable = Bit<13>;
    using SmxEnable = Bit<14>;
    using XsaveEnable = Bit<18>;
    using SupervisorExecutionPrevention = Bit<20>;
    using SupervisorAccessPrevention = Bit<21>;
};

struct Efer {
    using SystemCallEnable = Bit<0>;
    using LongModeEnable = Bit<8>;
    using LongModeActive = Bit<10>;
    using NoExecuteEnable = Bit<11>;
    using SvmEnable = Bit<12>;
};

struct Rflags {
    using AlwaysOne = Bit<1>;
    using Trap = Bit<8>;
    using InterruptEnable = Bit<9>;
    using Direction = Bit<10>;
    using IoPrivilege = BitField<12, 2>;
    using NestedTask = Bit<14>;
    using AlignmentCheck = Bit<18>;
    using Identification = Bit<21>;

    /// What ring 3 may choose for itself: the arithmetic flags, TF, DF, AC, ID.
    static constexpr uint64_t user_changeable =
        0x8d5 | Trap::mask | Direction::mask | AlignmentCheck::mask | Identification::mask;
    /// What system call entry clears, so that the kernel runs with known flags.
    static constexpr uint64_t cleared_on_entry = Trap::mask | InterruptEnable::mask | Direction::mask |
                                                 IoPrivilege::mask | NestedTask::mask | AlignmentCheck::mask;
};

}  // namespace bulkhead::x86
