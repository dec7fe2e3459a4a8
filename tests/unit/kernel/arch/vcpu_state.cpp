// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/vcpu_state.hpp"

#include <gtest/gtest.h>

#include <set>

#include "kernel/arch/x86_64/fpu.hpp"

namespace bulkhead::kernel {
namespace {

TEST(VcpuStateTable, EachMemberOnceAndInsideThePage) {
    std::set<uint16_t> seen;
    for (const StateEntry& entry : state_table::entries) {
        EXPECT_TRUE(seen.insert(entry.offset).second) << entry.offset;
        EXPECT_LE(entry.offset + entry.bytes, sizeof(abi::VcpuStatePage));
        EXPECT_TRUE(entry.bytes == 2 || entry.bytes == 4 || entry.bytes == 8);
    }
}

TEST(VcpuStateTable, EveryGroupHasMembers) {
    uint32_t groups = 0;
    for (const StateEntry& entry : state_table::entries) groups |= static_cast<uint32_t>(entry.group);
    EXPECT_EQ(groups, abi::all_vcpu_state_groups);
}

TEST(VcpuStateTable, CoversTheArchitecturalPartOfThePage) {
    size_t bytes = 0;
    for (const StateEntry& entry : state_table::entries) bytes += entry.bytes;
    // Eight segments have 6 reserved bytes, two tables 4; RSP is in the first run of registers.
    const size_t begin = offsetof(abi::VcpuStatePage, rax), end = offsetof(abi::VcpuStatePage, stolen_ns);
    EXPECT_EQ(bytes, end - begin - 8 * 6 - 2 * 4);
}

TEST(VcpuStateTable, NoPlaceIsUsedTwice) {
    std::set<std::pair<int, uint16_t>> vmx, svm;
    for (const StateEntry& entry : state_table::entries) {
        if (entry.rule == StateRule::ReadOnly) continue;
        if (entry.vmx.kind != StatePlace::Kind::None) {
            EXPECT_TRUE(vmx.insert({static_cast<int>(entry.vmx.kind), entry.vmx.where}).second) << entry.offset;
        }
        if (entry.svm.kind != StatePlace::Kind::None) {
            EXPECT_TRUE(svm.insert({static_cast<int>(entry.svm.kind), entry.svm.where}).second) << entry.offset;
        }
    }
}

TEST(Admissible, Addresses) {
    EXPECT_TRUE(admissible(StateRule::Canonical, 0x7fff'ffff'ffff));
    EXPECT_TRUE(admissible(StateRule::Canonical, 0xffff'8000'0000'0000));
    EXPECT_FALSE(admissible(StateRule::Canonical, 0x8000'0000'0000));
    EXPECT_FALSE(admissible(StateRule::Canonical, uint64_t{1} << 63));
}

TEST(Admissible, PageAttributes) {
    EXPECT_TRUE(admissible(StateRule::PageAttributes, 0x0007'0406'0007'0406));
    EXPECT_FALSE(admissible(StateRule::PageAttributes, 0x0007'0406'0007'0402));
    EXPECT_FALSE(admissible(StateRule::PageAttributes, uint64_t{0x0b} << 56));
}

TEST(Admissible, EferKnowsNoVirtualization) {
    EXPECT_EQ(admissible(StateRule::Efer, 0xd01), 0xd01u);
    EXPECT_FALSE(admissible(StateRule::Efer, 1u << 12));
    EXPECT_FALSE(admissible(StateRule::Efer, uint64_t{1} << 32));
}

TEST(Admissible, FixedBits) {
    EXPECT_EQ(admissible(StateRule::Rflags, 0), 2u);
    EXPECT_EQ(admissible(StateRule::Rflags, ~uint64_t{0}), 0x3f7fd7u);
    EXPECT_EQ(admissible(StateRule::DebugControl, ~uint64_t{0}), 0xffff2fffu);
    EXPECT_EQ(admissible(StateRule::DebugStatus, 0), 0xffff0ff0u);
}

TEST(SegmentRights, SurviveTheVmcb) {
    EXPECT_EQ(vmcb_attributes(0xa09b), 0xa9b);
    EXPECT_EQ(access_rights(0xa9b), 0xa09bu);
    EXPECT_EQ(vmcb_attributes(0x10000), 0);
    EXPECT_EQ(access_rights(0) & 0x10000u, 0x10000u);
    for (uint64_t access : {0x93u, 0xc093u, 0x8bu, 0x82u, 0xf3u}) EXPECT_EQ(access_rights(vmcb_attributes(access)), access);
}

TEST(Xcr0, RulesOfTheManual) {
    constexpr uint64_t all = 0x2e7;
    EXPECT_TRUE(FpuState::valid_xcr0(1, all));
    EXPECT_TRUE(FpuState::valid_xcr0(3, all));
    EXPECT_TRUE(FpuState::valid_xcr0(7, all));
    EXPECT_TRUE(FpuState::valid_xcr0(0xe7, all));
    EXPECT_FALSE(FpuState::valid_xcr0(0, all));
    EXPECT_FALSE(FpuState::valid_xcr0(2, all));
    EXPECT_FALSE(FpuState::valid_xcr0(5, all)) << "AVX without SSE";
    EXPECT_FALSE(FpuState::valid_xcr0(0x67, all)) << "half of AVX-512";
    EXPECT_FALSE(FpuState::valid_xcr0(0xe3, all)) << "AVX-512 without AVX";
    EXPECT_FALSE(FpuState::valid_xcr0(7, 3));
    EXPECT_FALSE(FpuState::valid_xcr0(uint64_t{1} << 62 | 1, all));
}

}  // namespace
}  // namespace bulkhead::kernel
