// SPDX-License-Identifier: Apache-2.0
// CPUID leaves and the bits this project asks for. Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E.
#pragma once

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
    static constexpr uint32_t address_sizes_leaf = 0x80000008;
    struct AddressSizesEax {
        using Physical = BitField<0, 8>;
    };
};

}  // namespace bulkhead::x86
