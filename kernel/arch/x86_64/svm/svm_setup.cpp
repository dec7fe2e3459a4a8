// SPDX-License-Identifier: Apache-2.0
// AMD-V: what the CPU offers, switching it on, and a new VMCB in INIT state. AMD APM vol. 2, 15.4, 15.5, 15.10, 15.11.
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/memory/kernel_pages.hpp"

namespace bulkhead::kernel::svm {

using x86::SvmFeatures, x86::Vmcb;

constinit uint32_t asid_count = 0, svm_clean_after_exit = 0;
static constinit PhysicalAddress io_permissions, msr_permissions;

const char* detect() {
    uint64_t control = 0;
    if (read_msr_checked(x86::Msr::SvmControl, control) && x86::SvmDisabled::read(control))
        return "the firmware has switched AMD-V off";
    const x86::CpuidResult features = cpuid(SvmFeatures::leaf);
    if (!SvmFeatures::NestedPaging::read(features.edx)) return "the AMD-V of this CPU has no nested paging";
    asid_count = SvmFeatures::AsidCount::read(features.ebx);
    if (asid_count < 2) return "the AMD-V of this CPU has no address-space identifiers";
    svm_clean_after_exit = SvmFeatures::CleanBits::read(features.edx) ? x86::SvmClean::all : 0;
    constexpr unsigned io_map_order = 2, msr_map_order = 1;  // 12 and 8 KiB
    io_permissions = make_permission_map(io_map_order);
    msr_permissions = make_permission_map(msr_map_order);
    // Two bits per MSR: intercept reads, intercept writes. APM vol. 2, 15.11.
    using enum x86::Msr;
    permit_msrs(msr_permissions, 2,
                {SysenterCs, SysenterEsp, SysenterEip, Star, Lstar, Cstar, SyscallMask, FsBase, GsBase, KernelGsBase});
    return nullptr;
}

bool initialize_cpu() {
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

void create(Vcpu& vcpu) {
    using enum x86::SvmIntercept1;
    using enum x86::SvmIntercept2;
    Vmcb& vmcb = vmcb_of(vcpu);
    vmcb.intercept_exceptions = intercepted_exceptions;
    vmcb.intercept_1 = Flags(Interrupt, Nmi, Smi, Init, Rdpmc, Cpuid, Invd, Hlt, Invlpga, IoProtection, MsrProtection,
                             FerrFreeze, Shutdown)
                           .word();
    vmcb.intercept_2 =
        Flags(Vmrun, Vmmcall, Vmload, Vmsave, Stgi, Clgi, Skinit, Monitor, Mwait, MwaitArmed, Xsetbv).word();
    vmcb.io_permission_map = io_permissions.value();
    vmcb.msr_permission_map = msr_permissions.value();
    vmcb.virtual_interrupt = x86::VirtualInterruptControl::Masking::mask;
    vmcb.nested_paging = 1;
    vmcb.nested_cr3 = vcpu.hardware().guest_space.value();
}

}  // namespace bulkhead::kernel::svm
