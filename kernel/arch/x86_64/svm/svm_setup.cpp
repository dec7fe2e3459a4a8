// SPDX-License-Identifier: Apache-2.0
// AMD-V: what the CPU offers, switching it on, and a new VMCB in INIT state. AMD APM vol. 2, 15.4, 15.5, 15.10, 15.11.
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/memory/kernel_pages.hpp"

namespace bulkhead::kernel {

using x86::SvmFeatures, x86::SvmIntercept1, x86::SvmIntercept2, x86::Vmcb;

constinit uint32_t svm_clean_after_exit = 0;

namespace {

constexpr unsigned io_map_order = 2;   // 12 KiB
constexpr unsigned msr_map_order = 1;  // 8 KiB

/// Two bits per MSR: intercept reads, intercept writes. APM vol. 2, 15.11.
void allow_msr(PhysicalAddress map, uint32_t index) {
    constexpr uint32_t high_msrs = 0xc0000000, msrs = 0x2000, high_part = 0x800;
    const uint32_t part = index >= high_msrs ? high_part : 0, bit = 2 * (index & (msrs - 1));
    uint8_t& byte = direct_map<uint8_t>(map)[part + bit / 8];
    byte = static_cast<uint8_t>(byte & ~(3u << bit % 8));
}

}  // namespace

const char* SvmBackend::detect() {
    uint64_t control = 0;
    if (read_msr_checked(x86::Msr::SvmControl, control) && x86::SvmVmControl::Disabled::read(control))
        return "the firmware has switched AMD-V off";
    const x86::CpuidResult features = cpuid(SvmFeatures::leaf);
    if (!SvmFeatures::NestedPaging::read(features.edx)) return "the AMD-V of this CPU has no nested paging";
    asid_count_ = SvmFeatures::AsidCount::read(features.ebx);
    if (asid_count_ < 2) return "the AMD-V of this CPU has no address-space identifiers";
    next_rip_ = SvmFeatures::NextRip::read(features.edx);
    svm_clean_after_exit = SvmFeatures::CleanBits::read(features.edx) ? x86::SvmClean::all : 0;
    io_permissions_ = make_permission_map(io_map_order);
    msr_permissions_ = make_permission_map(msr_map_order);
    using x86::Msr;
    for (const Msr index : {Msr::SysenterCs, Msr::SysenterEsp, Msr::SysenterEip, Msr::Star, Msr::Lstar, Msr::Cstar,
                            Msr::SyscallMask, Msr::FsBase, Msr::GsBase, Msr::KernelGsBase})
        allow_msr(msr_permissions_, static_cast<uint32_t>(index));
    return nullptr;
}

bool SvmBackend::initialize_cpu() {
    const std::optional<PhysicalAddress> host_save = allocate_pages();
    const std::optional<PhysicalAddress> host_vmcb = allocate_pages();
    if (!host_save || !host_vmcb) return false;
    write_msr(x86::Msr::Efer, read_msr(x86::Msr::Efer) | x86::Efer::SvmEnable::mask);
    write_msr(x86::Msr::SvmHostSave, host_save->value());
    Cpu::current().host_vmcb = *host_vmcb;
    vmsave(*host_vmcb);
    Vmcb& host = *direct_map<Vmcb>(*host_vmcb);
    host.fs.base = host.gs.base = 0;  // of whatever thread runs now
    return true;
}

void SvmBackend::create(Vcpu& vcpu) {
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.intercept_exceptions = intercepted_exceptions;
    vmcb.intercept_1 =
        Flags(SvmIntercept1::Interrupt, SvmIntercept1::Nmi, SvmIntercept1::Smi, SvmIntercept1::Init,
              SvmIntercept1::Rdpmc, SvmIntercept1::Cpuid, SvmIntercept1::Invd, SvmIntercept1::Hlt, SvmIntercept1::Invlpga,
              SvmIntercept1::IoProtection, SvmIntercept1::MsrProtection, SvmIntercept1::FerrFreeze,
              SvmIntercept1::Shutdown)
            .word();
    vmcb.intercept_2 = Flags(SvmIntercept2::Vmrun, SvmIntercept2::Vmmcall, SvmIntercept2::Vmload, SvmIntercept2::Vmsave,
                             SvmIntercept2::Stgi, SvmIntercept2::Clgi, SvmIntercept2::Skinit, SvmIntercept2::Monitor,
                             SvmIntercept2::Mwait, SvmIntercept2::MwaitArmed, SvmIntercept2::Xsetbv)
                           .word();
    vmcb.io_permission_map = io_permissions_.value();
    vmcb.msr_permission_map = msr_permissions_.value();
    vmcb.virtual_interrupt = x86::VirtualInterruptControl::Masking::mask;
    vmcb.nested_paging = 1;
    vmcb.nested_cr3 = vcpu.hardware().guest_space.value();
}

}  // namespace bulkhead::kernel
