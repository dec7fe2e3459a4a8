// SPDX-License-Identifier: Apache-2.0
#include "vmm/arch/x86/emulate.hpp"

#include <gtest/gtest.h>

#include <map>

#include "ram.hpp"

namespace bulkhead::vmm {
namespace {

using test::Ram;

/// Remembers what was written, and answers reads from it.
struct FakeBus final : MmioBus {
    uint64_t read_mmio(GuestPhysicalAddress address, unsigned size_bytes) override {
        last_size = size_bytes;
        return values[address.value()];
    }
    void write_mmio(GuestPhysicalAddress address, unsigned size_bytes, uint64_t value) override {
        last_size = size_bytes;
        values[address.value()] = value;
        ++writes;
    }
    std::map<uint64_t, uint64_t> values;
    unsigned last_size = 0;
    unsigned writes = 0;
};

/// Flat 32-bit protected mode without paging: linear is physical.
struct EmulateTest : testing::Test {
    EmulateTest() {
        registers.paging.cr0 = 1;
        registers.rip = 0x1000;
        registers[Segment::Cs].access = 1u << 14;
    }
    Result<RegisterChanges, EmulateError> run(std::initializer_list<uint8_t> code, uint64_t fault) {
        ram.put_bytes(0x1000, code);
        return emulate_mmio(registers, GuestPhysicalAddress{fault}, ram.memory(), bus);
    }
    Ram ram{0x10000};
    Registers registers;
    FakeBus bus;
};

TEST_F(EmulateTest, LoadMergesByWidth) {
    registers[Gpr::Rbx] = 0xfee00000;
    registers[Gpr::Rcx] = 0x1111111122222222;
    bus.values[0xfee00020] = 0xaabbccdd99887766;
    auto changes = run({0x8b, 0x4b, 0x20}, 0xfee00020).value();  // mov ecx, [ebx+0x20]
    EXPECT_EQ(changes.gpr[0].index, Gpr::Rcx);
    EXPECT_EQ(changes.gpr[0].value, 0x99887766u);
    EXPECT_EQ(changes.rip, 0x1003u);
    changes = run({0x66, 0x8b, 0x4b, 0x20}, 0xfee00020).value();
    EXPECT_EQ(changes.gpr[0].value, 0x1111111122227766u);
    changes = run({0x8a, 0x6b, 0x20}, 0xfee00020).value();  // mov ch, [ebx+0x20]
    EXPECT_EQ(changes.gpr[0].value, 0x1111111122226622u);
    bus.values[0xfee00020] = 0x80;
    changes = run({0x0f, 0xbe, 0x4b, 0x20}, 0xfee00020).value();
    EXPECT_EQ(changes.gpr[0].value, 0xffffff80u);
}

TEST_F(EmulateTest, StoreImmediate) {
    registers[Gpr::Rbx] = 0xfec00000;
    const auto changes = run({0xc7, 0x03, 0x78, 0x56, 0x34, 0x12}, 0xfec00000).value();
    EXPECT_EQ(bus.values[0xfec00000], 0x12345678u);
    EXPECT_TRUE(changes.gpr.empty());
    EXPECT_EQ(changes.rip, 0x1006u);
}

TEST_F(EmulateTest, ReadModifyWriteSetsFlags) {
    registers[Gpr::Rbx] = 0xfec00000;
    bus.values[0xfec00000] = 0xff;
    auto changes = run({0x80, 0x23, 0x0f}, 0xfec00000).value();  // and byte [ebx], 0x0f
    EXPECT_EQ(bus.values[0xfec00000], 0x0fu);
    EXPECT_EQ(changes.rflags & rflags::arithmetic, rflags::parity);
    changes = run({0x83, 0x3b, 0x10}, 0xfec00000).value();  // cmp dword [ebx], 0x10
    EXPECT_EQ(changes.rflags & (rflags::carry | rflags::sign), rflags::carry | rflags::sign);
    registers[Gpr::Rax] = 5;
    changes = run({0x87, 0x03}, 0xfec00000).value();  // xchg [ebx], eax
    EXPECT_EQ(bus.values[0xfec00000], 5u);
    EXPECT_EQ(changes.gpr[0].value, 0x0fu);
}

TEST_F(EmulateTest, StringsGoOneElementAtATime) {
    registers[Gpr::Rdi] = 0xfec00010;
    registers[Gpr::Rcx] = 2;
    registers[Gpr::Rax] = 0x41;
    auto changes = run({0xf3, 0xaa}, 0xfec00010).value();  // rep stosb
    EXPECT_EQ(changes.rip, 0x1000u);
    EXPECT_EQ(changes.gpr[0].value, 0xfec00011u);
    EXPECT_EQ(changes.gpr[1].value, 1u);
    registers[Gpr::Rcx] = 1;
    changes = run({0xf3, 0xaa}, 0xfec00010).value();
    EXPECT_EQ(changes.rip, 0x1002u);
}

TEST_F(EmulateTest, MovsBetweenDeviceAndMemory) {
    registers[Gpr::Rsi] = 0xfec00010;
    registers[Gpr::Rdi] = 0x2000;
    bus.values[0xfec00010] = 0xdeadbeef;
    auto changes = run({0xa5}, 0xfec00010).value();
    EXPECT_EQ(ram.at<uint32_t>(0x2000), 0xdeadbeefu);
    EXPECT_EQ(changes.gpr.size(), 2u);
    registers[Gpr::Rsi] = 0x2000;
    registers[Gpr::Rdi] = 0xfec00020;
    changes = run({0xa5}, 0xfec00020).value();
    EXPECT_EQ(bus.values[0xfec00020], 0xdeadbeefu);
    EXPECT_EQ(run({0xa5}, 0xfec00040).error(), EmulateError::Retry);
}

TEST_F(EmulateTest, RefusesWhatItCannotDo) {
    registers[Gpr::Rbx] = 0xfec00ffe;
    EXPECT_EQ(run({0x8b, 0x0b}, 0xfec00ffe).error(), EmulateError::CrossesPage);
    EXPECT_EQ(run({0x66, 0x8b, 0x0b}, 0xfec00000).error(), EmulateError::Retry);
    EXPECT_EQ(run({0x0f, 0x28, 0x03}, 0xfec00ffe).error(), EmulateError::NotSupported);
    registers.rip = 0x20000;
    EXPECT_EQ(run({}, 0xfec00000).error(), EmulateError::FetchFailed);
    EXPECT_EQ(bus.writes, 0u);
}

TEST(Arithmetic, FlagsLikeTheProcessor) {
    // The processor of the build machine is the oracle.
    const uint64_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, 0x1234};
    for (const uint64_t a : values) {
        for (const uint64_t b : values) {
            uint32_t sum = static_cast<uint32_t>(a);
            uint64_t flags = 0;
            asm volatile("addl %2, %0; pushfq; popq %1" : "+r"(sum), "=r"(flags) : "r"(static_cast<uint32_t>(b)) : "cc");
            auto ours = compute(Operation::Add, a, b, 4, 0);
            EXPECT_EQ(ours.result, sum);
            EXPECT_EQ(ours.rflags, flags & rflags::arithmetic);
            uint8_t difference = static_cast<uint8_t>(a);
            asm volatile("subb %2, %0; pushfq; popq %1" : "+q"(difference), "=r"(flags) : "q"(static_cast<uint8_t>(b)) : "cc");
            ours = compute(Operation::Subtract, a, b, 1, 0);
            EXPECT_EQ(ours.result, difference);
            EXPECT_EQ(ours.rflags, flags & rflags::arithmetic);
        }
    }
}

}  // namespace
}  // namespace bulkhead::vmm
