// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "vmm/arch/x86/instruction.hpp"

namespace bulkhead::vmm {
namespace {

Result<Instruction, DecodeError> decode_bytes(std::vector<uint8_t> bytes, CodeSize code = CodeSize::Bits64) {
    return decode(bytes, code);
}

TEST(Decoder, KnowsWhatLinuxUsesOnDevices) {
    const Instruction load = decode_bytes({0x8b, 0x87, 0xf0, 0x00, 0x00, 0x00}).value();  // mov eax, [rdi+0xf0]
    EXPECT_EQ(load.operation, Operation::Move);
    EXPECT_FALSE(load.memory_is_destination);
    EXPECT_EQ(load.length, 6);
    EXPECT_EQ(load.memory_bytes, 4);
    EXPECT_EQ(load.memory.base, Gpr::Rdi);
    EXPECT_EQ(load.memory.displacement, 0xf0);

    const Instruction store = decode_bytes({0xc7, 0x04, 0x25, 0xb0, 0xd0, 0x5f, 0xff, 1, 0, 0, 0}).value();
    EXPECT_EQ(store.other, OperandKind::Immediate);
    EXPECT_EQ(store.immediate, 1u);
    EXPECT_FALSE(store.memory.base);
    EXPECT_EQ(store.memory.displacement, -10497872);

    const Instruction byte = decode_bytes({0x0f, 0xb6, 0x00}).value();
    EXPECT_EQ(byte.operation, Operation::MoveZeroExtend);
    EXPECT_EQ(byte.memory_bytes, 1);
    EXPECT_EQ(byte.reg.size_bytes, 4);
}

TEST(Decoder, SaysWhyNot) {
    EXPECT_EQ(decode_bytes({}).error(), DecodeError::Truncated);
    EXPECT_EQ(decode_bytes({0x8b}).error(), DecodeError::Truncated);
    EXPECT_EQ(decode_bytes({0x8b, 0xc0}).error(), DecodeError::NoMemory);
    EXPECT_EQ(decode_bytes({0xf0, 0x8b, 0x00}).error(), DecodeError::IllegalLock);
    EXPECT_EQ(decode_bytes({0x0f, 0x05}).error(), DecodeError::NotSupported);
    EXPECT_EQ(decode_bytes(std::vector<uint8_t>(20, 0x66)).error(), DecodeError::TooLong);
}

TEST(Decoder, SurvivesGarbage) {
    std::mt19937 random{7};
    for (int round = 0; round < 200000; ++round) {
        std::vector<uint8_t> bytes(random() % 17);
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        const auto result = decode(bytes, static_cast<CodeSize>(random() % 3));
        if (result) {
            EXPECT_LE(result.value().length, bytes.size());
            EXPECT_GE(result.value().length, 1);
        }
    }
}

}  // namespace
}  // namespace bulkhead::vmm
