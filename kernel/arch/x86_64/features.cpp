// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/features.hpp"

#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/platform/halt.hpp"

namespace bulkhead::kernel {
namespace {

constinit CpuFeatures features{};

/// A feature is one bit of a register of a leaf. Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E.
struct FeatureBit {
    bool CpuFeatures::*feature;
    uint32_t leaf;
    uint32_t x86::CpuidResult::*word;
    unsigned bit;
};
using F = CpuFeatures;
using R = x86::CpuidResult;
// clang-format off
constexpr FeatureBit feature_bits[] = {
    {&F::vmx, 1, &R::ecx, 5},            {&F::x2apic, 1, &R::ecx, 21},     {&F::tsc_deadline, 1, &R::ecx, 24},
    {&F::xsave, 1, &R::ecx, 26},         {&F::hypervisor, 1, &R::ecx, 31}, {&F::local_apic, 1, &R::edx, 9},
    {&F::global_pages, 1, &R::edx, 13},  {&F::fxsave, 1, &R::edx, 24},
    {&F::smep, 7, &R::ebx, 7},           {&F::smap, 7, &R::ebx, 20},       {&F::umip, 7, &R::ecx, 2},
    {&F::svm, 0x8000'0001, &R::ecx, 2},  {&F::pages_1g, 0x8000'0001, &R::edx, 26},
};
// clang-format on

abi::ProcessorVendor detect_vendor() {
    const auto r = cpuid(x86::CpuidLeaf::vendor);
    const uint32_t name[] = {r.ebx, r.edx, r.ecx};
    if (__builtin_memcmp(name, "GenuineIntel", sizeof name) == 0) return abi::ProcessorVendor::Intel;
    if (__builtin_memcmp(name, "AuthenticAMD", sizeof name) == 0) return abi::ProcessorVendor::Amd;
    return abi::ProcessorVendor::Unknown;
}

extern "C" uint8_t *const user_access_patches_start[], *const user_access_patches_end[];

}  // namespace

const CpuFeatures& cpu_features() { return features; }

x86::CpuidResult cpuid_or_nothing(uint32_t leaf) {
    return cpuid(leaf & x86::CpuidLeaf::range_mask).eax >= leaf ? cpuid(leaf) : x86::CpuidResult{};
}

void detect_cpu_features() {
    features.vendor = detect_vendor();
    for (const FeatureBit& row : feature_bits)
        features.*row.feature = (cpuid_or_nothing(row.leaf).*row.word >> row.bit & 1) != 0;
    const uint8_t bits = x86::PhysicalAddressBits::read(cpuid_or_nothing(x86::CpuidLeaf::address_sizes).eax);
    if (bits >= 32 && bits <= 52) features.physical_address_bits = bits;
    if (!features.local_apic) refuse_machine("this CPU has no usable local APIC");
    if (!features.fxsave) refuse_machine("this CPU has no FXSAVE");
    if (!features.smap) return;
    constexpr uint8_t clac[] = {0x0f, 0x01, 0xca};
    for (auto place = user_access_patches_start; place != user_access_patches_end; ++place)
        __builtin_memcpy(*place, clac, sizeof clac);
}

}  // namespace bulkhead::kernel
