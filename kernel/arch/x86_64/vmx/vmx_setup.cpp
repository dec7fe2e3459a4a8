// SPDX-License-Identifier: Apache-2.0
// VT-x: what the CPU offers, switching it on, and a new VMCS in INIT state. Intel SDM vol. 3C, 24.7, 27.2 and 27.3.
#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/platform/timer.hpp"

namespace bulkhead::kernel {

using namespace vmx;
using x86::Cr0, x86::Cr4, x86::VmxMsr;

extern "C" void vmx_exit_entry();

namespace {

uint64_t capability(VmxMsr index) { return kernel::read_msr(x86::msr(index)); }

Capabilities read_capabilities() {
    const bool precise = x86::VmxBasic::TrueControls::read(capability(VmxMsr::Basic));
    Capabilities cpu{};
    cpu.pin.msr = capability(precise ? VmxMsr::TruePinControls : VmxMsr::PinControls);
    cpu.primary.msr = capability(precise ? VmxMsr::TruePrimaryControls : VmxMsr::PrimaryControls);
    cpu.exit.msr = capability(precise ? VmxMsr::TrueExitControls : VmxMsr::ExitControls);
    cpu.entry.msr = capability(precise ? VmxMsr::TrueEntryControls : VmxMsr::EntryControls);
    if (!cpu.primary.allowed().has(x86::PrimaryControl::Secondary)) return cpu;
    cpu.secondary.msr = capability(VmxMsr::SecondaryControls);
    if (!(cpu.secondary.allowed() & Flags{x86::SecondaryControl::Ept, x86::SecondaryControl::Vpid}).empty())
        cpu.ept_vpid = capability(VmxMsr::EptVpid);
    return cpu;
}

/// Firmware may have left the choice to us, made it for us, or locked VT-x away.
bool allowed_by_firmware() {
    using x86::FeatureControl;
    uint64_t value = 0;
    if (!read_msr_checked(x86::Msr::FeatureControl, value)) return true;
    if (!FeatureControl::Locked::read(value)) {
        value |= FeatureControl::Locked::mask | FeatureControl::VmxOutsideSmx::mask;
        if (!write_msr_checked(x86::Msr::FeatureControl, value)) return false;
    }
    return FeatureControl::VmxOutsideSmx::read(value);
}

/// What guests may set of CR4, if the CPU has it at all: up to SMAP. Not VMXE, SMXE; not KL, PKE and CET, whose state is
/// not switched.
constexpr uint64_t cr4_for_guests = 0x37'7fff & ~Cr4::VmxEnable::mask & ~Cr4::SmxEnable::mask;

/// A guest that never exits is looked after this often. Interrupts end its turn on every real CPU; Bochs 2.7 holds them
/// back from a guest that was entered with IF clear.
constexpr uint64_t longest_turns_per_second = 100;

/// One bit per MSR and direction, a set bit makes an exit. SDM vol. 3C, 25.6.9.
void allow_msr(PhysicalAddress bitmap, uint32_t index, bool write) {
    constexpr uint32_t high_msrs = 0xc0000000, msrs = 0x2000, high_part = 1024, writes = 2048;
    const uint32_t part = (index >= high_msrs ? high_part : 0) + (write ? writes : 0), bit = index & (msrs - 1);
    uint8_t& byte = direct_map<uint8_t>(bitmap)[part + bit / 8];
    byte = static_cast<uint8_t>(byte & ~(1u << bit % 8));
}

}  // namespace

const char* VmxBackend::detect() {
    if (!allowed_by_firmware()) return "the firmware has switched VT-x off";
    const Capabilities cpu = read_capabilities();
    controls_ = negotiate(cpu);
    if (controls_.refusal != nullptr) return controls_.refusal;
    ept_vpid_ = cpu.ept_vpid;
    revision_ = x86::VmxBasic::Revision::read(capability(VmxMsr::Basic));
    cr4_guest_ = capability(VmxMsr::Cr4Fixed1) & cr4_for_guests;
    if (!cpu_features().xsave) cr4_guest_ &= ~Cr4::XsaveEnable::mask;
    make_msr_bitmap();
    return nullptr;
}

void VmxBackend::make_msr_bitmap() {
    msr_bitmap_ = make_permission_map(0);
    const auto allow_read = [this](uint32_t index) { allow_msr(msr_bitmap_, index, false); };
    const auto allow_write = [this](uint32_t index) { allow_msr(msr_bitmap_, index, true); };
    using x86::Msr;
    for (const Msr index : {Msr::Star, Msr::Lstar, Msr::SyscallMask, Msr::KernelGsBase, Msr::Tsc})
        allow_read(static_cast<uint32_t>(index));
    for (const Msr index :
         {Msr::SysenterCs, Msr::SysenterEsp, Msr::SysenterEip, Msr::FsBase, Msr::GsBase, Msr::Efer, Msr::Pat}) {
        allow_read(static_cast<uint32_t>(index));
        allow_write(static_cast<uint32_t>(index));
    }
    if (!controls_.interrupt_delivery) return;
    // Registers the CPU virtualises on the virtual-APIC page (SDM vol. 3C, 30.5).
    constexpr uint32_t task_priority = 0x808, processor_priority = 0x80a, end_of_interrupt = 0x80b;
    constexpr uint32_t first_bank = 0x810, last_bank = 0x827, self_interrupt = 0x83f;
    for (const uint32_t index : {task_priority, end_of_interrupt, self_interrupt}) allow_write(index);
    for (const uint32_t index : {task_priority, processor_priority}) allow_read(index);
    for (uint32_t index = first_bank; index <= last_bank; ++index) allow_read(index);
}

bool VmxBackend::initialize_cpu() {
    const uint64_t cr0 = read_cr0();
    const uint64_t cr4 = read_cr4() | Cr4::VmxEnable::mask;
    const auto allowed = [](uint64_t value, VmxMsr fixed0, VmxMsr fixed1) {
        return (~value & capability(fixed0)) == 0 && (value & ~capability(fixed1)) == 0;
    };
    if (!allowed_by_firmware() || !allowed(cr0, VmxMsr::Cr0Fixed0, VmxMsr::Cr0Fixed1) ||
        !allowed(cr4, VmxMsr::Cr4Fixed0, VmxMsr::Cr4Fixed1))
        return false;
    const std::optional<PhysicalAddress> region = allocate_pages();
    if (!region) return false;
    *direct_map<uint32_t>(*region) = revision_;
    write_cr4(cr4);
    if (!vmxon(*region)) return false;
    if (controls_.secondary.has(x86::SecondaryControl::Vpid) && x86::EptVpidCapability::Invvpid::read(ept_vpid_))
        invalidate_vpid(Invalidation::All, 0);
    return true;
}

void VmxBackend::create(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    *static_cast<uint32_t*>(hardware.control_block) = revision_;
    clear(hardware.control_block_address);
    vcpu_backend().load(vcpu);
    write_controls(vcpu);
    write_host_state(vcpu);
    // Of the guest, what is not in the state page.
    write(Field::VmcsLinkPointer, ~uint64_t{0});
    for (const Field none : {Field::GuestDebugControl, Field::GuestPendingDebug, Field::GuestActivity}) write(none, 0);
}

void VmxBackend::write_controls(Vcpu& vcpu) {
    VcpuHardware& hardware = vcpu.hardware();
    hardware.controls = controls_.primary.word();
    write(Field::PinControls, controls_.pin.word());
    write(Field::PrimaryControls, hardware.controls);
    write(Field::SecondaryControls, controls_.secondary.word());
    write(Field::ExitControls, controls_.exit.word());
    write(Field::EntryControls, controls_.entry.word());
    write(Field::EntryInterruption, 0);
    for (const Field none :
         {Field::PageFaultMask, Field::PageFaultMatch, Field::Cr3TargetCount, Field::ExitMsrStoreCount,
          Field::ExitMsrLoadCount, Field::EntryMsrLoadCount, Field::TprThreshold, Field::TscOffset})
        write(none, 0);
    write(Field::ExceptionBitmap, intercepted_exceptions);
    write(Field::MsrBitmap, msr_bitmap_.value());
    write(Field::VirtualApicPage, hardware.virtual_apic_page.value());
    write(Field::EptPointer, hardware.guest_space.value() | x86::EptPointer::write_back_four_levels);
    if (controls_.secondary.has(x86::SecondaryControl::Vpid)) {
        // In use twice is harmless: translations are tagged by EPT too. 0 is the host's.
        const auto vpid = static_cast<uint16_t>(Cpu::current().next_tag++ % UINT16_MAX + 1);
        write(Field::VirtualProcessorId, vpid);
        if (x86::EptVpidCapability::InvvpidSingle::read(ept_vpid_)) invalidate_vpid(Invalidation::Single, vpid);
    }
    if (controls_.interrupt_delivery) {
        for (const Field none : eoi_exit_bitmaps) write(none, 0);
        write(Field::GuestInterruptStatus, 0);
    }
    if (controls_.pin.has(x86::PinControl::PreemptionTimer)) {
        const auto shift = x86::VmxMiscellaneous::TimerShift::read(capability(VmxMsr::Miscellaneous));
        const uint64_t turn = (tsc_hz() / longest_turns_per_second) >> shift;
        write(Field::GuestPreemptionTimer, turn < UINT32_MAX ? turn : UINT32_MAX);
    }
    write(Field::Cr0Mask, cr0_of_host);
    write(Field::Cr4Mask, ~cr4_guest_ | Cr4::XsaveEnable::mask);
}

/// The state after an exit. HOST_RSP ends the vCPU's register file and is written only here.
void VmxBackend::write_host_state(Vcpu& vcpu) {
    Cpu& cpu = Cpu::current();
    write(Field::HostCr0, read_cr0() | Cr0::TaskSwitched::mask);
    write(Field::HostCr3, vcpu.hardware().host_space.value());
    write(Field::HostCr4, read_cr4());
    write(Field::HostCsSelector, SELECTOR_KERNEL_CODE);
    write(Field::HostSsSelector, SELECTOR_KERNEL_STACK);
    write(Field::HostTrSelector, SELECTOR_TASK_STATE);
    for (const Field none : {Field::HostDsSelector, Field::HostEsSelector, Field::HostFsSelector, Field::HostGsSelector,
                             Field::HostFsBase, Field::HostGsBase})
        write(none, 0);
    write(Field::HostTrBase, reinterpret_cast<uint64_t>(&cpu.task_state->segment));
    write(Field::HostGdtrBase, reinterpret_cast<uint64_t>(&cpu.descriptors()));
    write(Field::HostIdtrBase, interrupt_table_address());
    write(Field::HostSysenterCs, kernel::read_msr(x86::Msr::SysenterCs));
    write(Field::HostSysenterEsp, kernel::read_msr(x86::Msr::SysenterEsp));
    write(Field::HostSysenterEip, kernel::read_msr(x86::Msr::SysenterEip));
    write(Field::HostEfer, kernel::read_msr(x86::Msr::Efer));
    write(Field::HostPat, kernel::read_msr(x86::Msr::Pat));
    write(Field::HostRsp, reinterpret_cast<uint64_t>(&vcpu.hardware().frame.kernel_stack_top));
    write(Field::HostRip, reinterpret_cast<uint64_t>(&vmx_exit_entry));
}

}  // namespace bulkhead::kernel
