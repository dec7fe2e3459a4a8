// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/features.hpp"

#include <span>

#include "hw/x86/control_register.hpp"
#include "hw/x86/cpuid.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/platform/halt.hpp"

namespace bulkhead::kernel {
namespace {

using x86::Cr0, x86::Cr4, x86::Efer;

constinit CpuFeatures features{};

/// A feature is one bit of a register of a leaf. Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E.
struct FeatureBit {
    bool CpuFeatures::*feature;
    uint32_t leaf;
    uint32_t x86::CpuidResult::*word;
    unsigned bit;
};
constexpr FeatureBit feature_bits[] = {
    {&CpuFeatures::vmx, 1, &x86::CpuidResult::ecx, 5},
    {&CpuFeatures::x2apic, 1, &x86::CpuidResult::ecx, 21},
    {&CpuFeatures::tsc_deadline, 1, &x86::CpuidResult::ecx, 24},
    {&CpuFeatures::xsave, 1, &x86::CpuidResult::ecx, 26},
    {&CpuFeatures::hypervisor, 1, &x86::CpuidResult::ecx, 31},
    {&CpuFeatures::local_apic, 1, &x86::CpuidResult::edx, 9},
    {&CpuFeatures::global_pages, 1, &x86::CpuidResult::edx, 13},
    {&CpuFeatures::fxsave, 1, &x86::CpuidResult::edx, 24},
    {&CpuFeatures::smep, 7, &x86::CpuidResult::ebx, 7},
    {&CpuFeatures::smap, 7, &x86::CpuidResult::ebx, 20},
    {&CpuFeatures::umip, 7, &x86::CpuidResult::ecx, 2},
    {&CpuFeatures::svm, 0x8000'0001, &x86::CpuidResult::ecx, 2},
    {&CpuFeatures::pages_1g, 0x8000'0001, &x86::CpuidResult::edx, 26},
};

/// A leaf, or zeroes if the CPU does not have it. The first leaf of each range names the last.
x86::CpuidResult leaf_or_nothing(uint32_t leaf) {
    return cpuid(leaf & x86::CpuidAmd::highest_leaf).eax >= leaf ? cpuid(leaf) : x86::CpuidResult{};
}

abi::ProcessorVendor detect_vendor() {
    const auto r = cpuid(x86::CpuidVendor::leaf);
    if (x86::CpuidVendor::is_intel(r)) return abi::ProcessorVendor::Intel;
    return x86::CpuidVendor::is_amd(r) ? abi::ProcessorVendor::Amd : abi::ProcessorVendor::Unknown;
}

extern "C" uint8_t* const user_access_patches_start[];
extern "C" uint8_t* const user_access_patches_end[];

}  // namespace

const CpuFeatures& cpu_features() { return features; }

void detect_cpu_features() {
    features.vendor = detect_vendor();
    for (const FeatureBit& row : feature_bits) {
        features.*row.feature = (leaf_or_nothing(row.leaf).*row.word >> row.bit & 1) != 0;
    }
    const auto sizes = leaf_or_nothing(x86::CpuidAmd::address_sizes_leaf);
    const auto bits = x86::CpuidAmd::AddressSizesEax::Physical::read(sizes.eax);
    if (bits >= 32 && bits <= 52) features.physical_address_bits = static_cast<uint8_t>(bits);
    if (!features.local_apic) refuse_machine("this CPU has no usable local APIC");
    if (!features.fxsave) refuse_machine("this CPU has no FXSAVE");
}

void patch_user_access() {
    constexpr uint8_t clac[] = {0x0f, 0x01, 0xca};
    if (!features.smap) return;
    for (uint8_t* location : std::span{user_access_patches_start, user_access_patches_end}) {
        __builtin_memcpy(location, clac, sizeof clac);
    }
}

void enable_cpu_features() {
    write_cr0(Cr0::ProtectionEnable::mask | Cr0::MonitorCoprocessor::mask | Cr0::ExtensionType::mask |
              Cr0::NumericError::mask | Cr0::WriteProtect::mask | Cr0::Paging::mask);
    uint64_t cr4 = Cr4::PhysicalAddressExtension::mask | Cr4::FxSaveEnable::mask | Cr4::SimdExceptions::mask |
                   Cr4::MachineCheckEnable::mask;
    cr4 |= Cr4::PageGlobalEnable::make(features.global_pages);
    cr4 |= Cr4::XsaveEnable::make(features.xsave);
    cr4 |= Cr4::SupervisorExecutionPrevention::make(features.smep);
    cr4 |= Cr4::SupervisorAccessPrevention::make(features.smap);
    cr4 |= Cr4::UserInstructionPrevention::make(features.umip);
    write_cr4(cr4);
    write_msr(x86::Msr::Efer, Efer::LongModeEnable::mask | Efer::LongModeActive::mask | Efer::NoExecuteEnable::mask);
}

}  // namespace bulkhead::kernel
