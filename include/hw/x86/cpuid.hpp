// SPDX-License-Identifier: Apache-2.0
// CPUID leaves and the bits this project asks for. Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E.
#pragma once

#include "base/bit_field.hpp"

namespace bulkhead::x86 {

struct CpuidResult {
    uint32_t eax, ebx, ecx, edx;
};

struct CpuidLeaf {
    static constexpr uint32_t vendor = 0;
    static constexpr uint32_t xsave = 0xd;
    static constexpr uint32_t tsc = 0x15;                      // EAX: denominator, EBX: numerator, ECX: crystal in Hz
    static constexpr uint32_t hypervisor_timing = 0x40000010;  // EAX: TSC in kHz
    static constexpr uint32_t range_mask = 0xc0000000;         // the first leaf of each range names the last, in EAX
    static constexpr uint32_t address_sizes = 0x80000008;      // EAX: PhysicalAddressBits
};

struct CpuidVendor {
    /// "GenuineIntel" and "AuthenticAMD" as EBX, EDX, ECX.
    static constexpr bool is_intel(const CpuidResult& r) {
        return r.ebx == 0x756e6547 && r.edx == 0x49656e69 && r.ecx == 0x6c65746e;
    }
    static constexpr bool is_amd(const CpuidResult& r) {
        return r.ebx == 0x68747541 && r.edx == 0x69746e65 && r.ecx == 0x444d4163;
    }
};

using PhysicalAddressBits = BitField<0, 8, uint8_t>;

}  // namespace bulkhead::x86
