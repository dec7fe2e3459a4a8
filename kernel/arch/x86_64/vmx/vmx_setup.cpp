// SPDX-License-Identifier: Apache-2.0
// VT-x: what the CPU offers, switching it on, and a new VMCS in INIT state. Intel SDM vol. 3C, 24.7, 27.2 and 27.3.
#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/platform/timer.hpp"

namespace bulkhead::kernel::vmx {

using x86::Cr0, x86::Cr4, x86::VmxMsr;

extern "C" void vmx_exit_entry();

constinit Controls controls;
// If the CPU has it at all: up to SMAP. Not VMXE, SMXE; not KL, PKE and CET, whose state is not switched.
constinit uint64_t cr4_for_guests = 0x37'7fff & ~Cr4::VmxEnable::mask & ~Cr4::SmxEnable::mask;

static constinit PhysicalAddress msr_bitmap;

static uint64_t capability(VmxMsr index) { return read_msr(x86::msr(index)); }
static uint32_t revision() { return x86::VmxBasic::Revision::read(capability(VmxMsr::Basic)); }

static Capabilities read_capabilities() {
    const bool precise = x86::VmxBasic::TrueControls::read(capability(VmxMsr::Basic));
    Capabilities cpu{};
    cpu.pin.msr = capability(precise ? VmxMsr::TruePinControls : VmxMsr::PinControls);
    cpu.primary.msr = capability(precise ? VmxMsr::TruePrimaryControls : VmxMsr::PrimaryControls);
    cpu.exit.msr = capability(precise ? VmxMsr::TrueExitControls : VmxMsr::ExitControls);
    cpu.entry.msr = capability(precise ? VmxMsr::TrueEntryControls : VmxMsr::EntryControls);
    if (!cpu.primary.allowed().has(x86::PrimaryControl::Secondary)) return cpu;
    cpu.secondary.msr = capability(VmxMsr::SecondaryControls);
    if (cpu.secondary.allowed().has(x86::SecondaryControl::Ept)) cpu.ept_vpid = capability(VmxMsr::EptVpid);
    return cpu;
}

/// Firmware may have left the choice to us, made it for us, or locked VT-x away.
static bool allowed_by_firmware() {
    using x86::FeatureControl;
    uint64_t value = 0;
    if (!read_msr_checked(x86::Msr::FeatureControl, value)) return true;
    if (!FeatureControl::Locked::read(value)) {
        value |= FeatureControl::Locked::mask | FeatureControl::VmxOutsideSmx::mask;
        if (!write_msr_checked(x86::Msr::FeatureControl, value)) return false;
    }
    return FeatureControl::VmxOutsideSmx::read(value);
}

/// A guest that never exits is looked after this often. Interrupts end its turn on every real CPU; Bochs 2.7 holds them
/// back from a guest that was entered with IF clear.
constexpr uint64_t longest_turns_per_second = 100;

static void make_msr_bitmap() {
    using enum x86::Msr;
    using x86::Msr;
    msr_bitmap = make_permission_map(0);
    // One bit per MSR and direction, a set bit makes an exit. SDM vol. 3C, 25.6.9.
    const PhysicalAddress reads = msr_bitmap, writes = msr_bitmap + page_size_bytes / 2;
    permit_msrs(reads, 1, {Star, Lstar, SyscallMask, KernelGsBase, Tsc});
    for (const PhysicalAddress map : {reads, writes})
        permit_msrs(map, 1, {SysenterCs, SysenterEsp, SysenterEip, FsBase, GsBase, Efer, Pat});
    if (!controls.interrupt_delivery) return;
    // Registers the CPU virtualises on the virtual-APIC page (SDM vol. 3C, 30.5).
    constexpr Msr task_priority{0x808}, processor_priority{0x80a}, end_of_interrupt{0x80b}, self_interrupt{0x83f};
    constexpr uint32_t first_bank = 0x810, last_bank = 0x827;
    permit_msrs(writes, 1, {task_priority, end_of_interrupt, self_interrupt});
    permit_msrs(reads, 1, {task_priority, processor_priority});
    for (uint32_t index = first_bank; index <= last_bank; ++index) permit_msrs(reads, 1, {Msr{index}});
}

const char* detect() {
    if (!allowed_by_firmware()) return "the firmware has switched VT-x off";
    controls = negotiate(read_capabilities());
    if (controls.refusal != nullptr) return controls.refusal;
    cr4_for_guests &= capability(VmxMsr::Cr4Fixed1);
    if (!cpu_features().xsave) cr4_for_guests &= ~Cr4::XsaveEnable::mask;
    make_msr_bitmap();
    return nullptr;
}

bool initialize_cpu() {
    if (!allowed_by_firmware()) return false;
    const std::optional<PhysicalAddress> region = allocate_pages();
    if (!region) return false;
    *direct_map<uint32_t>(*region) = revision();
    write_cr4(read_cr4() | Cr4::VmxEnable::mask);
    return vmxon(*region);
}

/// What is there on some CPUs only.
static void write_optional_fields() {
    if (controls.secondary.has(x86::SecondaryControl::Vpid)) {
        // In use twice is harmless: translations are tagged by EPT too. 0 is the host's.
        write(Field::VirtualProcessorId, Cpu::current().next_tag++ % UINT16_MAX + 1);
        invalidate_all_vpids();
    }
    if (controls.interrupt_delivery) {
        for (const Field none : eoi_exit_bitmaps) write(none, 0);
        write(Field::GuestInterruptStatus, 0);
    }
    if (controls.pin.has(x86::PinControl::PreemptionTimer)) {
        const auto shift = x86::PreemptionTimerShift::read(capability(VmxMsr::Miscellaneous));
        write(Field::GuestPreemptionTimer,
              std::min<uint64_t>((tsc_hz() / longest_turns_per_second) >> shift, UINT32_MAX));
    }
}

void create(Vcpu& vcpu) {
    using enum x86::VmcsField;
    using x86::Msr;
    VcpuHardware& hardware = vcpu.hardware();
    Cpu& cpu = Cpu::current();
    const auto address = [](auto* object) { return reinterpret_cast<uint64_t>(object); };
    *static_cast<uint32_t*>(hardware.control_block) = revision();
    clear(hardware.control_block_address);
    vcpu_backend().load(vcpu);
    hardware.controls = controls.primary.word();
    // clang-format off
    const std::pair<Field, uint64_t> values[] = {
        {PinControls, controls.pin.word()},             {PrimaryControls, hardware.controls},
        {SecondaryControls, controls.secondary.word()}, {ExitControls, controls.exit.word()},
        {EntryControls, controls.entry.word()},         {ExceptionBitmap, intercepted_exceptions},
        {Cr0Mask, cr0_of_host},                         {Cr4Mask, ~cr4_for_guests | Cr4::XsaveEnable::mask},
        {MsrBitmap, msr_bitmap.value()},                {VirtualApicPage, hardware.virtual_apic_page.value()},
        {VmcsLinkPointer, ~uint64_t{0}},
        {EptPointer, hardware.guest_space.value() | x86::ept_write_back_four_levels},
        // The state after an exit. HOST_RSP ends the vCPU's register file and is written only here.
        {HostCr0, read_cr0() | Cr0::TaskSwitched::mask},       {HostCr3, hardware.host_space.value()},
        {HostCr4, read_cr4()},                                 {HostCsSelector, SELECTOR_KERNEL_CODE},
        {HostSsSelector, SELECTOR_KERNEL_STACK},               {HostTrSelector, SELECTOR_TASK_STATE},
        {HostTrBase, address(&cpu.task_state->segment)},       {HostGdtrBase, address(&cpu.descriptors())},
        {HostIdtrBase, interrupt_table_address()},             {HostSysenterCs, read_msr(Msr::SysenterCs)},
        {HostSysenterEsp, read_msr(Msr::SysenterEsp)},         {HostSysenterEip, read_msr(Msr::SysenterEip)},
        {HostEfer, read_msr(Msr::Efer)},                       {HostPat, read_msr(Msr::Pat)},
        {HostRsp, address(&hardware.frame.kernel_stack_top)},  {HostRip, address(&vmx_exit_entry)},
    };
    // clang-format on
    for (const auto& [field, value] : values) write(field, value);
    for (const Field none :
         {EntryInterruption, PageFaultMask, PageFaultMatch, Cr3TargetCount, ExitMsrStoreCount, ExitMsrLoadCount,
          EntryMsrLoadCount, TprThreshold, HostDsSelector, HostEsSelector, HostFsSelector, HostGsSelector, HostFsBase,
          HostGsBase, GuestDebugControl, GuestPendingDebug, GuestActivity})
        write(none, 0);
    write_optional_fields();
}

}  // namespace bulkhead::kernel::vmx
