// SPDX-License-Identifier: Apache-2.0
// Model-specific registers by number. Intel SDM vol. 4; AMD APM vol. 2, appendix A.
#pragma once

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

// clang-format off
enum class Msr : uint32_t {
    Tsc = 0x10,          ApicBase = 0x1b,           FeatureControl = 0x3a,    SysenterCs = 0x174,
    SysenterEsp = 0x175, SysenterEip = 0x176,       DebugControl = 0x1d9,     Pat = 0x277,
    TscDeadline = 0x6e0, X2ApicFirst = 0x800,       Efer = 0xc0000080,        Star = 0xc0000081,
    Lstar = 0xc0000082,  Cstar = 0xc0000083,        SyscallMask = 0xc0000084, FsBase = 0xc0000100,
    GsBase = 0xc0000101, KernelGsBase = 0xc0000102, TscAux = 0xc0000103,    SvmControl = 0xc0010114,
    SvmHostSave = 0xc0010117,
};
// clang-format on

/// Msr::ApicBase. SDM vol. 3A, 11.4.4 and 11.12.1.
struct ApicBase {
    using X2ApicEnable = Bit<10>;
    using Enable = Bit<11>;
};

}  // namespace bulkhead::x86
