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

using PhysicalAddressBits = BitField<0, 8, uint8_t>;

}  // namespace bulkhead::x86
