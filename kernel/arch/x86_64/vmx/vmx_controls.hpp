// SPDX-License-Identifier: Apache-2.0
// Which VM-execution controls this CPU has and we use: negotiated from the capability MSRs, never assumed. Pure; the
// MSRs come in as values, so it runs on the host under test. Intel SDM vol. 3D, appendix A.
#pragma once

#include "hw/x86/vmx.hpp"

namespace bulkhead::kernel::vmx {

/// What a capability MSR allows. Each class of controls has sets of its own, so that a pin-based control cannot get
/// into the exit controls.
template <typename Control>
struct ControlCapability {
    uint64_t msr;

    constexpr Flags<Control> forced() const { return Flags<Control>::from_word(static_cast<uint32_t>(msr)); }
    constexpr Flags<Control> allowed() const { return Flags<Control>::from_word(static_cast<uint32_t>(msr >> 32)); }
    constexpr Flags<Control> choose(Flags<Control> wanted) const { return (wanted & allowed()) | forced(); }
};

/// The capability MSRs as read.
struct Capabilities {
    ControlCapability<x86::PinControl> pin;
    ControlCapability<x86::PrimaryControl> primary;
    ControlCapability<x86::SecondaryControl> secondary;
    ControlCapability<x86::ExitControl> exit;
    ControlCapability<x86::EntryControl> entry;
    uint64_t ept_vpid;
};

/// What we use.
struct Controls {
    Flags<x86::PinControl> pin{};
    Flags<x86::PrimaryControl> primary{};
    Flags<x86::SecondaryControl> secondary{};
    Flags<x86::ExitControl> exit{};
    Flags<x86::EntryControl> entry{};
    bool interrupt_delivery = false;  // the CPU delivers from the virtual-APIC page
    const char* refusal = nullptr;    // why guests cannot run: a sentence about this CPU
};

constexpr Controls negotiate(const Capabilities& cpu) {
    using enum x86::PinControl;
    using enum x86::PrimaryControl;
    using enum x86::SecondaryControl;
    using Exit = x86::ExitControl;
    using Entry = x86::EntryControl;
    using Capability = x86::EptVpidCapability;

    constexpr Flags pin{ExternalInterruptExit, NmiExit, VirtualNmis};
    constexpr Flags primary{TscOffset, HltExit,   MwaitExit, MonitorExit,        RdpmcExit,
                            TprShadow, MsrBitmap, Secondary, UnconditionalIoExit};
    constexpr Flags primary_at_times{InterruptWindowExit, NmiWindowExit};
    constexpr Flags unwanted{Cr3LoadExit, Cr3StoreExit};
    constexpr Flags apic{VirtualizeX2Apic, ApicRegisterVirtualization, VirtualInterruptDelivery};
    constexpr Flags exit{Exit::SaveDebugControls, Exit::HostLongMode, Exit::AcknowledgeInterrupt,
                         Exit::SavePat,           Exit::LoadPat,      Exit::SaveEfer,
                         Exit::LoadEfer};
    constexpr Flags entry{Entry::LoadDebugControls, Entry::LoadPat, Entry::LoadEfer};

    const auto refuse = [](const char* sentence) { return Controls{.refusal = sentence}; };
    if (!cpu.primary.allowed().has(Secondary) || !cpu.secondary.allowed().has(Ept))
        return refuse("the VT-x of this CPU has no extended page tables (EPT)");
    if (!cpu.secondary.allowed().has(UnrestrictedGuest))
        return refuse("the VT-x of this CPU has no unrestricted guest mode");
    if (!Capability::FourLevels::read(cpu.ept_vpid) || !Capability::WriteBack::read(cpu.ept_vpid) ||
        !Capability::InveptSingle::read(cpu.ept_vpid))
        return refuse("the extended page tables of this CPU lack four levels, write-back or INVEPT");
    const bool enough = cpu.pin.allowed().contains(pin) && cpu.primary.allowed().contains(primary | primary_at_times) &&
                        cpu.exit.allowed().contains(exit) && cpu.entry.allowed().contains(entry);
    if (!enough) return refuse("the VT-x of this CPU lacks execution controls this kernel needs");
    if (!(cpu.primary.forced() & unwanted).empty()) return refuse("the VT-x of this CPU cannot leave CR3 to guests");

    const bool delivery = cpu.secondary.allowed().contains(apic);
    Flags secondary{Ept, UnrestrictedGuest, Rdtscp, Invpcid};
    if (delivery) secondary = secondary | apic;
    if (Capability::InvvpidAll::read(cpu.ept_vpid)) secondary = secondary | Vpid;
    return {.pin = cpu.pin.choose(pin | PreemptionTimer),
            .primary = cpu.primary.choose(primary),
            .secondary = cpu.secondary.choose(secondary),
            .exit = cpu.exit.choose(exit),
            .entry = cpu.entry.choose(entry),
            .interrupt_delivery = delivery};
}

}  // namespace bulkhead::kernel::vmx
