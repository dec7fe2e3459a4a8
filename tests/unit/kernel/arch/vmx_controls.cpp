// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/vmx/vmx_controls.hpp"

#include <gtest/gtest.h>

namespace bulkhead::kernel::vmx {
namespace {

using Primary = x86::PrimaryControl;
using Secondary = x86::SecondaryControl;

constexpr uint64_t may_all = uint64_t{UINT32_MAX} << 32;
constexpr uint64_t may_not(uint32_t control) { return uint64_t{control} << 32; }

/// A CPU with everything, and the forced bits of real ones.
Capabilities full() {
    Capabilities cpu{};
    cpu.pin.msr = may_all | 0x16;
    cpu.primary.msr = may_all | 0x04006172;
    cpu.secondary.msr = may_all;
    cpu.exit.msr = may_all | 0x36dfb;
    cpu.entry.msr = may_all | 0x11fb;
    cpu.ept_vpid = ~uint64_t{0};
    return cpu;
}

TEST(VmxControls, EverythingThereIsUsed) {
    const Controls use = negotiate(full());
    EXPECT_EQ(use.refusal, nullptr);
    EXPECT_TRUE(use.interrupt_delivery);
    EXPECT_TRUE(use.secondary.has(Secondary::UnrestrictedGuest));
    EXPECT_TRUE(use.secondary.has(Secondary::Vpid));
    EXPECT_FALSE(use.secondary.has(Secondary::Xsaves)) << "not asked for";
    EXPECT_FALSE(use.primary.has(Primary::InterruptWindowExit)) << "only while wanted";
    EXPECT_EQ(use.pin.word() & 0x16, 0x16u) << "forced bits stay";
}

TEST(VmxControls, WithoutApicVirtualizationTheKernelDelivers) {
    for (const Secondary missing : {Secondary::VirtualizeX2Apic, Secondary::ApicRegisterVirtualization,
                                    Secondary::VirtualInterruptDelivery}) {
        Capabilities cpu = full();
        cpu.secondary.msr &= ~may_not(static_cast<uint32_t>(missing));
        const Controls use = negotiate(cpu);
        EXPECT_EQ(use.refusal, nullptr);
        EXPECT_FALSE(use.interrupt_delivery);
        EXPECT_FALSE(use.secondary.has(Secondary::VirtualInterruptDelivery)) << "all or none";
    }
}

TEST(VmxControls, OptionalOnesMayLack) {
    Capabilities cpu = full();
    cpu.secondary.msr &= ~may_not(static_cast<uint32_t>(Secondary::Vpid));
    const Controls use = negotiate(cpu);
    EXPECT_EQ(use.refusal, nullptr);
    EXPECT_FALSE(use.secondary.has(Secondary::Vpid));
}

TEST(VmxControls, RefusalsNameWhatIsMissing) {
    Capabilities cpu = full();
    cpu.secondary.msr &= ~may_not(static_cast<uint32_t>(Secondary::UnrestrictedGuest));
    EXPECT_STREQ(negotiate(cpu).refusal, "the VT-x of this CPU has no unrestricted guest mode");

    cpu = full();
    cpu.secondary.msr &= ~may_not(static_cast<uint32_t>(Secondary::Ept));
    EXPECT_STREQ(negotiate(cpu).refusal, "the VT-x of this CPU has no extended page tables (EPT)");

    cpu = full();
    cpu.primary.msr &= ~may_not(static_cast<uint32_t>(Primary::Secondary));
    EXPECT_STREQ(negotiate(cpu).refusal, "the VT-x of this CPU has no extended page tables (EPT)");

    cpu = full();
    cpu.ept_vpid = 0;
    EXPECT_NE(negotiate(cpu).refusal, nullptr);

    cpu = full();
    cpu.primary.msr &= ~may_not(static_cast<uint32_t>(Primary::MsrBitmap));
    EXPECT_NE(negotiate(cpu).refusal, nullptr);

    cpu = full();
    cpu.primary.msr |= static_cast<uint32_t>(Primary::Cr3LoadExit);
    EXPECT_STREQ(negotiate(cpu).refusal, "the VT-x of this CPU cannot leave CR3 to guests");
}

}  // namespace
}  // namespace bulkhead::kernel::vmx
