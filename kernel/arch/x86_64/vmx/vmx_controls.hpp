// SPDX-License-Identifier: Apache-2.0
// Which VM-execution controls this CPU has and we use: negotiated from the capability MSRs, never assumed. Pure; the
// MSRs come in as values, so it runs on the host under test. Intel SDM vol. 3D, appendix A.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "hw/x86/vmx/controls.hpp"

namespace bulkhead::kernel::vmx {

/// A set of controls of one class, so that a pin-based control cannot get into the exit controls.
template <typename Control>
class ControlSet {
  public:
    constexpr ControlSet() = default;
    constexpr ControlSet(std::initializer_list<Control> controls) {
        for (const Control control : controls) word_ |= static_cast<uint32_t>(control);
    }
    static constexpr ControlSet from_word(uint32_t word) {
        ControlSet set;
        set.word_ = word;
        return set;
    }
    constexpr uint32_t word() const { return word_; }
    constexpr bool has(Control control) const { return (word_ & static_cast<uint32_t>(control)) != 0; }
    constexpr bool contains(ControlSet other) const { return (word_ & other.word_) == other.word_; }
    constexpr ControlSet operator|(ControlSet other) const { return from_word(word_ | other.word_); }
    constexpr ControlSet operator&(ControlSet other) const { return from_word(word_ & other.word_); }
    constexpr ControlSet without(ControlSet other) const { return from_word(word_ & ~other.word_); }

  private:
    uint32_t word_ = 0;
};

/// What a capability MSR allows.
template <typename Control>
struct ControlCapability {
    uint64_t msr;

    constexpr ControlSet<Control> forced() const { return ControlSet<Control>::from_word(static_cast<uint32_t>(msr)); }
    constexpr ControlSet<Control> allowed() const {
        return ControlSet<Control>::from_word(static_cast<uint32_t>(msr >> 32));
    }
    constexpr ControlSet<Control> choose(ControlSet<Control> wanted) const { return (wanted & allowed()) | forced(); }
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
    ControlSet<x86::PinControl> pin;
    ControlSet<x86::PrimaryControl> primary;
    ControlSet<x86::SecondaryControl> secondary;
    ControlSet<x86::ExitControl> exit;
    ControlSet<x86::EntryControl> entry;
    bool interrupt_delivery = false;  // the CPU delivers from the virtual-APIC page
    const char* refusal = nullptr;    // why guests cannot run: a sentence about this CPU
};

constexpr Controls negotiate(const Capabilities& cpu) {
    using Pin = x86::PinControl;
    using Primary = x86::PrimaryControl;
    using Secondary = x86::SecondaryControl;
    using Exit = x86::ExitControl;
    using Entry = x86::EntryControl;
    using Ept = x86::EptVpidCapability;

    constexpr ControlSet<Pin> pin{Pin::ExternalInterruptExit, Pin::NmiExit, Pin::VirtualNmis};
    constexpr ControlSet<Primary> primary{Primary::TscOffset,   Primary::HltExit,   Primary::MwaitExit,
                                          Primary::MonitorExit, Primary::RdpmcExit, Primary::TprShadow,
                                          Primary::MsrBitmap,   Primary::Secondary, Primary::UnconditionalIoExit};
    constexpr ControlSet<Primary> primary_at_times{Primary::InterruptWindowExit, Primary::NmiWindowExit};
    constexpr ControlSet<Primary> unwanted{Primary::Cr3LoadExit, Primary::Cr3StoreExit};
    constexpr ControlSet<Secondary> apic{Secondary::VirtualizeX2Apic, Secondary::ApicRegisterVirtualization,
                                         Secondary::VirtualInterruptDelivery};
    constexpr ControlSet<Secondary> optional{Secondary::Vpid, Secondary::Rdtscp, Secondary::Invpcid};
    constexpr ControlSet<Exit> exit{Exit::SaveDebugControls, Exit::HostLongMode, Exit::AcknowledgeInterrupt, Exit::SavePat,
                                    Exit::LoadPat,           Exit::SaveEfer,     Exit::LoadEfer};
    constexpr ControlSet<Entry> entry{Entry::LoadDebugControls, Entry::LoadPat, Entry::LoadEfer};

    Controls use;
    const auto refuse = [&use](const char* sentence) {
        use.refusal = sentence;
        return use;
    };
    if (!cpu.primary.allowed().has(Primary::Secondary) || !cpu.secondary.allowed().has(Secondary::Ept))
        return refuse("the VT-x of this CPU has no extended page tables (EPT)");
    if (!cpu.secondary.allowed().has(Secondary::UnrestrictedGuest))
        return refuse("the VT-x of this CPU has no unrestricted guest mode");
    if (!Ept::FourLevels::read(cpu.ept_vpid) || !Ept::WriteBack::read(cpu.ept_vpid) || !Ept::Invept::read(cpu.ept_vpid))
        return refuse("the extended page tables of this CPU lack four levels, write-back or INVEPT");
    const bool enough = cpu.pin.allowed().contains(pin) && cpu.primary.allowed().contains(primary | primary_at_times) &&
                        cpu.exit.allowed().contains(exit) && cpu.entry.allowed().contains(entry);
    if (!enough) return refuse("the VT-x of this CPU lacks execution controls this kernel needs");
    if ((cpu.primary.forced() & unwanted).word() != 0)
        return refuse("the VT-x of this CPU cannot leave CR3 to guests");

    ControlSet<Secondary> secondary = ControlSet<Secondary>{Secondary::Ept, Secondary::UnrestrictedGuest} | optional;
    use.interrupt_delivery = cpu.secondary.allowed().contains(apic);
    if (use.interrupt_delivery) secondary = secondary | apic;
    use.pin = cpu.pin.choose(pin | ControlSet<Pin>{Pin::PreemptionTimer});
    use.primary = cpu.primary.choose(primary);
    use.secondary = cpu.secondary.choose(secondary);
    use.exit = cpu.exit.choose(exit);
    use.entry = cpu.entry.choose(entry);
    return use;
}

}  // namespace bulkhead::kernel::vmx
