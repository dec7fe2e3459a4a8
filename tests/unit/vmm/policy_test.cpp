// SPDX-License-Identifier: Apache-2.0
// CPUID, MSRs and the paravirtual clock.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "fakes.hpp"
#include "ram.hpp"
#include "vmm/arch/x86/cpuid_policy.hpp"
#include "vmm/arch/x86/msr_policy.hpp"
#include "vmm/vm/time.hpp"

namespace bulkhead::vmm {
namespace {

struct FakeCpu final : HostCpu {
    explicit FakeCpu(bool amd) {
        leaves[{0, 0}] = amd ? CpuidResult{0x10, 0x68747541, 0x444d4163, 0x69746e65} : CpuidResult{0x1f, 0x756e6547, 0x6c65746e, 0x49656e69};
        leaves[{1, 0}] = {0x806c1, 0x12345678, 0xffffffff, 0xffffffff};
        leaves[{7, 0}] = {2, 0xffffffff, 0xffffffff, 0xffffffff};
        leaves[{4, 0}] = {0x1c004121, 0, 0, 0};
        leaves[{4, 1}] = {0x1c004163, 0, 0, 0};
        leaves[{0xd, 0}] = {0xff, 0, 0, 0};
        leaves[{0xd, 1}] = {0xf, 0, 0, 0};
        leaves[{0xd, 2}] = {256, 576, 0, 0};
        leaves[{0xd, 5}] = {64, 1088, 0, 0};
        leaves[{0xd, 6}] = {512, 1152, 2, 0};
        leaves[{0xd, 7}] = {1024, 1664, 2, 0};
        leaves[{0x80000000, 0}] = {0x80000021, 0, 0, 0};
        leaves[{0x80000001, 0}] = {0, ~0u, ~0u, ~0u};
        leaves[{0x80000007, 0}] = {0, 0, 0, ~0u};
        leaves[{0x80000008, 0}] = {0x3028, ~0u, ~0u, ~0u};
        leaves[{0x8000000a, 0}] = {1, 1, 1, 1};
    }
    CpuidResult cpuid(uint32_t leaf, uint32_t subleaf) override { return leaves[{leaf, subleaf}]; }
    uint64_t xcr0() override { return xcr0_value; }
    std::map<std::pair<uint32_t, uint32_t>, CpuidResult> leaves;
    uint64_t xcr0_value = 0xe7;
};

TEST(Cpuid, HidesWhatIsNotVirtualized) {
    FakeCpu host{false};
    CpuidTable table;
    table.build(host, {.vcpu_index = 2, .vcpu_count = 3, .tsc_hz = 2'000'000'000, .apic_bus_hz = 1'000'000'000});
    const CpuidInputs inputs{.xcr0 = 7, .os_xsave = false};
    const CpuidResult features = table.lookup(1, 0, inputs);
    for (unsigned hidden : {3u, 5u, 6u, 27u}) EXPECT_EQ(features.ecx >> hidden & 1, 0u) << hidden;  // MONITOR, VMX, SMX, OSXSAVE
    for (unsigned shown : {21u, 24u, 26u, 28u, 31u}) EXPECT_EQ(features.ecx >> shown & 1, 1u) << shown;
    EXPECT_EQ(features.edx >> 7 & 1, 0u);
    EXPECT_EQ(features.ebx >> 24, 2u);
    EXPECT_EQ(features.ebx >> 16 & 0xff, 4u);
    EXPECT_EQ(table.lookup(1, 9, {.xcr0 = 7, .os_xsave = true}).ecx >> 27 & 1, 1u);
    const CpuidResult more = table.lookup(7, 0, inputs);
    for (unsigned hidden : {4u, 10u, 11u, 14u}) EXPECT_EQ(more.ebx >> hidden & 1, 0u) << hidden;  // HLE, INVPCID, RTM, MPX
    EXPECT_EQ(more.ebx >> 1 & 1, 1u);
    EXPECT_EQ(table.lookup(7, 1, inputs), CpuidResult{});
    EXPECT_EQ(table.lookup(0xa, 0, inputs), CpuidResult{});
    EXPECT_EQ(table.lookup(0x8000000a, 0, inputs), CpuidResult{});
    EXPECT_EQ(table.lookup(0x80000001, 0, inputs).ecx >> 2 & 1, 0u);
    EXPECT_EQ(table.lookup(0x12345678, 0, inputs), CpuidResult{});
    EXPECT_EQ(table.lookup(0x40000000, 0, inputs).ebx, 0x4b4d564bu);
    EXPECT_EQ(table.lookup(0x40000001, 0, inputs).eax, 1u << 1 | 1u << 3 | 1u << 24);
    EXPECT_EQ(table.lookup(0x40000010, 0, inputs).eax, 2'000'000u);
}

TEST(Cpuid, TopologyAndExtendedState) {
    FakeCpu host{false};
    CpuidTable table;
    table.build(host, {.vcpu_index = 1, .vcpu_count = 4});
    for (uint32_t leaf : {0xbu, 0x1fu}) {
        EXPECT_EQ(table.lookup(leaf, 0, {}), (CpuidResult{0, 1, 0x100, 1}));
        EXPECT_EQ(table.lookup(leaf, 1, {}), (CpuidResult{2, 4, 0x201, 1}));
        EXPECT_EQ(table.lookup(leaf, 7, {}), (CpuidResult{0, 0, 7, 1}));
    }
    EXPECT_EQ(table.lookup(4, 1, {}).eax, 0x163u | 3u << 14 | 3u << 26);
    EXPECT_EQ(table.lookup(4, 2, {}), CpuidResult{});
    EXPECT_EQ(table.lookup(0xd, 0, {.xcr0 = 3}).ebx, 576u);
    EXPECT_EQ(table.lookup(0xd, 0, {.xcr0 = 7}).ebx, 832u);
    EXPECT_EQ(table.lookup(0xd, 0, {.xcr0 = 0xe7}).ebx, 2688u);
    EXPECT_EQ(table.lookup(0xd, 0, {}).ecx, 2688u);
    EXPECT_EQ(table.lookup(0xd, 1, {.xcr0 = 0xe7}).eax, 7u);
    EXPECT_EQ(table.allowed_xcr0(), 0xe7u);
    EXPECT_EQ(table.lookup(0xd, 3, {}), CpuidResult{});
    host.xcr0_value = 0;
    table.build(host, {});
    EXPECT_EQ(table.lookup(0xd, 0, {}), CpuidResult{});
    EXPECT_EQ(table.lookup(1, 0, {.os_xsave = true}).ecx & (1u << 26 | 1u << 27 | 1u << 28 | 1u << 12), 0u);
}

TEST(Cpuid, Amd) {
    FakeCpu host{true};
    CpuidTable table;
    table.build(host, {.vcpu_index = 0, .vcpu_count = 2});
    EXPECT_EQ(table.lookup(4, 0, {}), CpuidResult{});
    EXPECT_EQ(table.lookup(0x80000008, 0, {}).ecx, 1u | 1u << 12);
    EXPECT_EQ(table.lookup(0x80000001, 0, {}).edx >> 9 & 1, 1u);  // APIC, mirrored
    EXPECT_EQ(table.lookup(0, 0, {}).eax, 0x10u);
    EXPECT_EQ(table.physical_address_bits(), 40u);
}

struct MsrTest : testing::Test {
    struct NoFabric final : ApicFabric {
        void route(const InterruptMessage&, bool) override {}
        void route_command(unsigned, Shorthand, const InterruptMessage&, bool) override {}
        void broadcast_end_of_interrupt(uint8_t) override {}
    };
    explicit MsrTest(bool amd = false) : policy{state, slot, apic, clock, time, log, amd, 40} {
        apic.power_on(true);
        policy.power_on();
    }
    JournalSlot slot;
    test::FakeTime time;
    test::FakeOutside outside;
    test::FakeLog log;
    test::Ram ram{0x10000};
    NoFabric fabric;
    LocalApicState apic_state{};
    std::array<volatile uint32_t, 1024> page{};
    LocalApic apic{0, apic_state, slot, VirtualApicPage{page.data()}, fabric, outside, time};
    PvClockState clock_state{};
    PvClockBase base{.start_tsc = 500'000, .start_wall_ns = 12'000'000'345};
    PvClock clock{clock_state, base, slot, ram.memory(), time};
    MsrState state{};
    MsrPolicy policy;
};

TEST_F(MsrTest, AnswersWhatLinuxNeeds) {
    for (uint32_t index : {0x10u, 0x17u, 0x1bu, 0x34u, 0x3au, 0x3bu, 0x8bu, 0xceu, 0xfeu, 0x140u, 0x179u, 0x17au, 0x1a0u, 0x200u,
                           0x20fu, 0x250u, 0x258u, 0x26fu, 0x277u, 0x2ffu, 0x400u, 0x4b564d00u, 0x4b564d01u, 0x6e0u}) {
        EXPECT_TRUE(policy.read(index)) << std::hex << index;
    }
    for (uint32_t index : {0xc0010015u, 0x64eu, 0xc0000080u, 0x480u, 0x12345u}) EXPECT_FALSE(policy.read(index)) << std::hex << index;
    EXPECT_FALSE(policy.read(0x64e));
    EXPECT_EQ(log.lines.size(), 5u);
    EXPECT_EQ(policy.unknown_accesses(), 6u);
}

TEST_F(MsrTest, ChecksValues) {
    EXPECT_TRUE(policy.write(0x2ff, 0xc06));
    EXPECT_FALSE(policy.write(0x2ff, 0xc02));
    EXPECT_FALSE(policy.write(0x2ff, 0x10000));
    EXPECT_TRUE(policy.write(0x277, 0x0007040600070406));
    EXPECT_FALSE(policy.write(0x277, 0x0002040600070406));
    EXPECT_FALSE(policy.write(0x258, 0x02));
    EXPECT_TRUE(policy.write(0x200, 0x10'0000'0006));
    EXPECT_FALSE(policy.write(0x200, 0x10000'0000'0006));
    EXPECT_FALSE(policy.write(0x201, 0xff));
    EXPECT_FALSE(policy.write(0x17a, 4));
    EXPECT_FALSE(policy.write(0x3a, 5));
}

TEST_F(MsrTest, TscAndAdjust) {
    EXPECT_TRUE(policy.write(0x10, 0));
    EXPECT_EQ(policy.take_tsc_offset_change(), -time.now);
    EXPECT_EQ(policy.read(0x3b).value(), -time.now);
    EXPECT_EQ(policy.read(0x10).value(), 0u);
    EXPECT_TRUE(policy.write(0x3b, 0));
    EXPECT_EQ(policy.take_tsc_offset_change(), 0u);
    EXPECT_FALSE(policy.take_tsc_offset_change());
}

TEST_F(MsrTest, Clock) {
    EXPECT_FALSE(policy.write(0x4b564d01, 0x10000 | 1));
    EXPECT_FALSE(policy.write(0x4b564d01, 0xfff1));
    EXPECT_TRUE(policy.write(0x4b564d01, 0x2001));
    const auto time_page = ram.at<PvClockTime>(0x2000);
    EXPECT_EQ(time_page.version % 2, 0u);
    EXPECT_NE(time_page.version, 0u);
    EXPECT_EQ(time_page.tsc_timestamp, 500'000u);
    EXPECT_EQ(time_page.flags, 1);
    EXPECT_TRUE(policy.write(0x10, 0));
    EXPECT_EQ(ram.at<PvClockTime>(0x2000).tsc_timestamp, 500'000u - time.now);
    EXPECT_GT(ram.at<PvClockTime>(0x2000).version, time_page.version);
    EXPECT_TRUE(policy.write(0x4b564d00, 0x3000));
    EXPECT_EQ(ram.at<PvWallClock>(0x3000).seconds, 12u);
    EXPECT_EQ(ram.at<PvWallClock>(0x3000).nanoseconds, 345u);
    EXPECT_FALSE(policy.write(0x4b564d00, 0xfffc));
    EXPECT_TRUE(policy.write(0x4b564d01, 0));
}

TEST(PvClock, ScaleIsExactEnough) {
    for (uint64_t hz : {1'000'000ull, 999'999'937ull, 1'000'000'000ull, 2'400'000'000ull, 4'999'999'999ull, 9'000'000'000ull}) {
        const PvClockScale scale = pv_clock_scale(hz);
        const uint64_t ticks = hz * 3;
        const uint64_t shifted = scale.shift >= 0 ? ticks << scale.shift : ticks >> -scale.shift;
        const uint64_t ns = static_cast<uint64_t>((static_cast<unsigned __int128>(shifted) * scale.multiplier) >> 32);
        EXPECT_NEAR(static_cast<double>(ns), 3e9, 10) << hz;
    }
    EXPECT_EQ(ticks_of_ns(1'500'000'000, 3'000'000'000), 4'500'000'000u);
    EXPECT_EQ(ns_of_ticks(4'500'000'000, 3'000'000'000), 1'500'000'000u);
}

TEST_F(MsrTest, Garbage) {
    std::mt19937_64 random{10};
    for (int i = 0; i < 100000; ++i) {
        const uint32_t index = random() % 2 != 0 ? static_cast<uint32_t>(random() % 0x900) : static_cast<uint32_t>(random());
        (void)policy.write(index, random() >> random() % 64);
        (void)policy.read(index);
        (void)policy.write(0x4b564d00 + static_cast<uint32_t>(random() % 8), random() % 0x12000);
    }
}

}  // namespace
}  // namespace bulkhead::vmm
