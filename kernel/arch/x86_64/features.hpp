// SPDX-License-Identifier: Apache-2.0
// What the CPU can do, asked once on the bootstrap processor. Constant after boot; all CPUs are taken to be alike.
#pragma once

#include "abi/layout.hpp"
#include "hw/x86/cpuid.hpp"

namespace bulkhead::kernel {

struct CpuFeatures {
    abi::ProcessorVendor vendor = abi::ProcessorVendor::Unknown;
    uint8_t physical_address_bits = 36;
    bool local_apic, x2apic, tsc_deadline;
    bool fxsave, xsave;
    bool pages_1g, global_pages, smep, smap, umip;
    bool vmx, svm;
    bool hypervisor;  // we run as somebody's guest
};

const CpuFeatures& cpu_features();
/// A leaf, or zeroes if the CPU does not have it.
x86::CpuidResult cpuid_or_nothing(uint32_t leaf);

/// Asks the CPU and refuses one that lacks what the kernel cannot do without. Puts CLAC where it is wanted, if there is
/// SMAP: while the boot tables still allow to write to the text.
void detect_cpu_features();

}  // namespace bulkhead::kernel
