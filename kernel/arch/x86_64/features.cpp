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

constinit CpuFeatures features;

x86::CpuidResult extended_leaf(uint32_t leaf) {
    return cpuid(x86::CpuidAmd::highest_leaf).eax >= leaf ? cpuid(leaf) : x86::CpuidResult{};
}
x86::CpuidResult basic_leaf(uint32_t leaf) {
    return cpuid(x86::CpuidVendor::leaf).eax >= leaf ? cpuid(leaf) : x86::CpuidResult{};
}

abi::ProcessorVendor detect_vendor() {
    const auto r = cpuid(x86::CpuidVendor::leaf);
    if (x86::CpuidVendor::is_intel(r)) return abi::ProcessorVendor::Intel;
    return x86::CpuidVendor::is_amd(r) ? abi::ProcessorVendor::Amd : abi::ProcessorVendor::Unknown;
}

struct UserAccessPatch {
    uint8_t* location;
    uint64_t opcode_end;
};
extern "C" const UserAccessPatch user_access_patches_start[], user_access_patches_end[];

}  // namespace

const CpuFeatures& cpu_features() { return features; }

void detect_cpu_features() {
    const auto basic = cpuid(x86::CpuidFeatures::leaf);
    const auto more = basic_leaf(x86::CpuidExtendedFeatures::leaf);
    const auto amd = extended_leaf(x86::CpuidAmd::features_leaf);
    if (!x86::CpuidFeatures::Edx::Apic::read(basic.edx)) refuse_machine("this CPU has no usable local APIC");
    if (!x86::CpuidFeatures::Edx::Fxsr::read(basic.edx)) refuse_machine("this CPU has no FXSAVE");

    features.vendor = detect_vendor();
    features.hypervisor = x86::CpuidFeatures::Ecx::Hypervisor::read(basic.ecx);
    features.global_pages = x86::CpuidFeatures::Edx::GlobalPages::read(basic.edx);
    features.x2apic = x86::CpuidFeatures::Ecx::X2Apic::read(basic.ecx);
    features.tsc_deadline = x86::CpuidFeatures::Ecx::TscDeadline::read(basic.ecx);
    features.xsave = x86::CpuidFeatures::Ecx::Xsave::read(basic.ecx);
    features.pcid = x86::CpuidFeatures::Ecx::Pcid::read(basic.ecx);
    features.vmx = x86::CpuidFeatures::Ecx::Vmx::read(basic.ecx);
    features.smep = x86::CpuidExtendedFeatures::Ebx::Smep::read(more.ebx);
    features.smap = x86::CpuidExtendedFeatures::Ebx::Smap::read(more.ebx);
    features.invpcid = x86::CpuidExtendedFeatures::Ebx::Invpcid::read(more.ebx);
    features.umip = x86::CpuidExtendedFeatures::Ecx::Umip::read(more.ecx);
    features.protection_keys = x86::CpuidExtendedFeatures::Ecx::ProtectionKeys::read(more.ecx);
    features.pages_1g = x86::CpuidAmd::FeaturesEdx::Pages1G::read(amd.edx);
    features.rdtscp = x86::CpuidAmd::FeaturesEdx::Rdtscp::read(amd.edx);
    features.svm = x86::CpuidAmd::FeaturesEcx::Svm::read(amd.ecx);
    const auto power = extended_leaf(x86::CpuidAmd::power_leaf);
    features.invariant_tsc = x86::CpuidAmd::PowerEdx::InvariantTsc::read(power.edx);
    const auto sizes = extended_leaf(x86::CpuidAmd::address_sizes_leaf);
    const auto bits = x86::CpuidAmd::AddressSizesEax::Physical::read(sizes.eax);
    if (bits >= 32 && bits <= 52) features.physical_address_bits = static_cast<uint8_t>(bits);
}

void patch_user_access() {
    if (!features.smap) return;
    for (const UserAccessPatch& patch : std::span{user_access_patches_start, user_access_patches_end}) {
        constexpr uint8_t opcode_start[] = {0x0f, 0x01};
        patch.location[0] = opcode_start[0];
        patch.location[1] = opcode_start[1];
        patch.location[2] = static_cast<uint8_t>(patch.opcode_end);
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
