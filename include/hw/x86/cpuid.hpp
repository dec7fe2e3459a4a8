// SPDX-License-Identifier: Apache-2.0
// CPUID leaves and the bits this project asks for. Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E.
#pragma once

#include <cstdint>

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

struct CpuidResult {
    uint32_t eax, ebx, ecx, edx;
};

struct CpuidVendor {
    static constexpr uint32_t leaf = 0;
    /// "GenuineIntel" and "AuthenticAMD" as EBX, EDX, ECX.
    static constexpr bool is_intel(const CpuidResult& r) {
        return r.ebx == 0x756e6547 && r.edx == 0x49656e69 && r.ecx == 0x6c65746e;
    }
    static constexpr bool is_amd(const CpuidResult& r) {
        return r.ebx == 0x68747541 && r.edx == 0x69746e65 && r.ecx == 0x444d4163;
    }
};

struct CpuidFeatures {
    static constexpr uint32_t leaf = 1;
    struct Ebx {
        using InitialApicId = BitField<24, 8>;
    };
    struct Ecx {
        using Vmx = Bit<5>;
        using Pcid = Bit<17>;
        using X2Apic = Bit<21>;
        using TscDeadline = Bit<24>;
        using Xsave = Bit<26>;
        using Hypervisor = Bit<31>;
    };
    struct Edx {
        using Tsc = Bit<4>;
        using Msr = Bit<5>;
        using Apic = Bit<9>;
        using Sysenter = Bit<11>;
        using GlobalPages = Bit<13>;
        using Fxsr = Bit<24>;
    };
};

struct CpuidExtendedFeatures {
    static constexpr uint32_t leaf = 7;
    struct Ebx {
        using FsGsBase = Bit<0>;
        using Smep = Bit<7>;
        using Invpcid = Bit<10>;
        using Smap = Bit<20>;
    };
    struct Ecx {
        using Umip = Bit<2>;
        using ProtectionKeys = Bit<3>;
    };
};

struct CpuidXsave {
    static constexpr uint32_t leaf = 0xd;
};

struct CpuidTsc {
    static constexpr uint32_t leaf = 0x15;  // EAX: denominator, EBX: numerator, ECX: crystal in Hz
};

struct CpuidHypervisor {
    static constexpr uint32_t leaf = 0x40000000;         // EAX: highest leaf
    static constexpr uint32_t timing_leaf = 0x40000010;  // EAX: TSC in kHz
};

struct CpuidAmd {
    static constexpr uint32_t highest_leaf = 0x80000000;
    static constexpr uint32_t features_leaf = 0x80000001;
    static constexpr uint32_t address_sizes_leaf = 0x80000008;
    static constexpr uint32_t power_leaf = 0x80000007;
    struct FeaturesEcx {
        using Svm = Bit<2>;
    };
    struct FeaturesEdx {
        using SystemCall = Bit<11>;
        using NoExecute = Bit<20>;
        using Pages1G = Bit<26>;
        using Rdtscp = Bit<27>;
        using LongMode = Bit<29>;
    };
    struct PowerEdx {
        using InvariantTsc = Bit<8>;
    };
    struct AddressSizesEax {
        using Physical = BitField<0, 8>;
        using Linear = BitField<8, 8>;
    };
};

}  // namespace bulkhead::x86
