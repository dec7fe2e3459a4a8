// SPDX-License-Identifier: Apache-2.0
// The decoder against Zydis: over many encodings, whatever ours accepts Zydis must describe in the same way, and
// whatever Zydis calls one of our instructions with a memory operand ours must accept.
#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "vmm/arch/x86/instruction.hpp"

namespace bulkhead::vmm {
namespace {

struct Oracle {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    bool ok = false;
};

ZydisMachineMode machine_mode(CodeSize code) {
    switch (code) {
        case CodeSize::Bits64: return ZYDIS_MACHINE_MODE_LONG_64;
        case CodeSize::Bits32: return ZYDIS_MACHINE_MODE_LEGACY_32;
        default: return ZYDIS_MACHINE_MODE_LEGACY_16;
    }
}

Oracle ask(std::span<const uint8_t> bytes, CodeSize code) {
    static ZydisDecoder decoders[3];
    static const bool ready = [] {
        ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
        ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
        ZydisDecoderInit(&decoders[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return true;
    }();
    (void)ready;
    Oracle oracle;
    oracle.ok = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[static_cast<unsigned>(code)], bytes.data(), bytes.size(),
                                                    &oracle.instruction, oracle.operands));
    return oracle;
}

std::optional<Operation> operation_of(ZydisMnemonic mnemonic) {
    switch (mnemonic) {
        case ZYDIS_MNEMONIC_MOV: return Operation::Move;
        case ZYDIS_MNEMONIC_MOVZX: return Operation::MoveZeroExtend;
        case ZYDIS_MNEMONIC_MOVSX: return Operation::MoveSignExtend;
        case ZYDIS_MNEMONIC_ADD: return Operation::Add;
        case ZYDIS_MNEMONIC_OR: return Operation::Or;
        case ZYDIS_MNEMONIC_AND: return Operation::And;
        case ZYDIS_MNEMONIC_SUB: return Operation::Subtract;
        case ZYDIS_MNEMONIC_XOR: return Operation::Xor;
        case ZYDIS_MNEMONIC_CMP: return Operation::Compare;
        case ZYDIS_MNEMONIC_TEST: return Operation::Test;
        case ZYDIS_MNEMONIC_XCHG: return Operation::Exchange;
        case ZYDIS_MNEMONIC_STOSB:
        case ZYDIS_MNEMONIC_STOSW:
        case ZYDIS_MNEMONIC_STOSD:
        case ZYDIS_MNEMONIC_STOSQ: return Operation::StoreString;
        case ZYDIS_MNEMONIC_MOVSB:
        case ZYDIS_MNEMONIC_MOVSW:
        case ZYDIS_MNEMONIC_MOVSD:
        case ZYDIS_MNEMONIC_MOVSQ: return Operation::MoveString;
        default: return std::nullopt;
    }
}

Segment segment_of(ZydisRegister segment) {
    switch (segment) {
        case ZYDIS_REGISTER_ES: return Segment::Es;
        case ZYDIS_REGISTER_CS: return Segment::Cs;
        case ZYDIS_REGISTER_SS: return Segment::Ss;
        case ZYDIS_REGISTER_FS: return Segment::Fs;
        case ZYDIS_REGISTER_GS: return Segment::Gs;
        default: return Segment::Ds;
    }
}

const ZydisDecodedOperand* memory_operand(const Oracle& oracle) {
    for (unsigned i = 0; i < oracle.instruction.operand_count; ++i) {
        if (oracle.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) return &oracle.operands[i];
    }
    return nullptr;
}

const ZydisDecodedOperand* other_operand(const Oracle& oracle) {
    for (unsigned i = 0; i < 2; ++i) {
        if (oracle.operands[i].type != ZYDIS_OPERAND_TYPE_MEMORY) return &oracle.operands[i];
    }
    return nullptr;
}

/// Whether Zydis describes something our decoder is meant to accept.
bool expected(const Oracle& oracle) {
    if (!oracle.ok || !operation_of(oracle.instruction.mnemonic) || memory_operand(oracle) == nullptr) {
        return false;
    }
    const ZydisDecodedOperand* other = other_operand(oracle);
    if (other != nullptr && other->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        const ZydisRegisterClass kind = ZydisRegisterGetClass(other->reg.value);
        return kind == ZYDIS_REGCLASS_GPR8 || kind == ZYDIS_REGCLASS_GPR16 || kind == ZYDIS_REGCLASS_GPR32 ||
               kind == ZYDIS_REGCLASS_GPR64;
    }
    return oracle.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && oracle.instruction.mnemonic != ZYDIS_MNEMONIC_MOVQ;
}

void expect_register(const ZydisDecodedOperand& theirs, const RegisterOperand& ours) {
    EXPECT_EQ(theirs.size, ours.size_bytes * 8);
    const bool high = theirs.reg.value >= ZYDIS_REGISTER_AH && theirs.reg.value <= ZYDIS_REGISTER_BH;
    EXPECT_EQ(high, ours.high_byte);
    const int id = ZydisRegisterGetId(theirs.reg.value);
    if (ours.size_bytes > 1) {
        EXPECT_EQ(id, static_cast<int>(ours.index));
    } else if (high) {
        EXPECT_EQ(theirs.reg.value - ZYDIS_REGISTER_AH, static_cast<int>(ours.index));
    } else {
        // AL..BL, AH..BH, SPL..DIL, R8B..: ids count through the high bytes.
        const auto whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, theirs.reg.value);
        EXPECT_EQ(ZydisRegisterGetId(whole), static_cast<int>(ours.index));
    }
}

void expect_memory(const Oracle& oracle, const ZydisDecodedOperand& theirs, const Instruction& ours, CodeSize code) {
    EXPECT_EQ(theirs.size, ours.memory_bytes * 8);
    EXPECT_EQ(oracle.instruction.address_width, ours.memory.address_bytes * 8);
    const bool fs_or_gs = theirs.mem.segment == ZYDIS_REGISTER_FS || theirs.mem.segment == ZYDIS_REGISTER_GS;
    if (code != CodeSize::Bits64 || fs_or_gs) {
        EXPECT_EQ(segment_of(theirs.mem.segment), ours.memory.segment);
    }
    const bool rip = theirs.mem.base == ZYDIS_REGISTER_RIP || theirs.mem.base == ZYDIS_REGISTER_EIP;
    EXPECT_EQ(rip, ours.memory.rip_relative);
    EXPECT_EQ(theirs.mem.base != ZYDIS_REGISTER_NONE && !rip, ours.memory.base.has_value());
    if (ours.memory.base) {
        EXPECT_EQ(ZydisRegisterGetId(theirs.mem.base), static_cast<int>(*ours.memory.base));
    }
    EXPECT_EQ(theirs.mem.index != ZYDIS_REGISTER_NONE, ours.memory.index.has_value());
    if (ours.memory.index) {
        EXPECT_EQ(ZydisRegisterGetId(theirs.mem.index), static_cast<int>(*ours.memory.index));
        EXPECT_EQ(theirs.mem.scale == 0 ? 1 : theirs.mem.scale, ours.memory.scale);
    }
    if (ours.operation != Operation::StoreString && ours.operation != Operation::MoveString) {
        const uint64_t mask = ours.memory.address_bytes == 8 ? ~uint64_t{0} : (uint64_t{1} << (ours.memory.address_bytes * 8)) - 1;
        EXPECT_EQ(static_cast<uint64_t>(theirs.mem.disp.value) & mask, static_cast<uint64_t>(ours.memory.displacement) & mask);
    }
}

void expect_same(const Oracle& oracle, const Instruction& ours, CodeSize code) {
    ASSERT_TRUE(oracle.ok);
    EXPECT_EQ(oracle.instruction.length, ours.length);
    EXPECT_EQ(operation_of(oracle.instruction.mnemonic), ours.operation);
    const ZydisDecodedOperand* memory = memory_operand(oracle);
    ASSERT_NE(memory, nullptr);
    expect_memory(oracle, *memory, ours, code);
    const bool writes = (memory->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    const bool only_reads = ours.operation == Operation::Compare || ours.operation == Operation::Test;
    if (!only_reads) {
        EXPECT_EQ(writes, ours.memory_is_destination || ours.operation == Operation::Exchange);
    }
    EXPECT_EQ((oracle.instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0, ours.locked);
    const bool repeats = (oracle.instruction.attributes &
                          (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0;
    if (ours.operation == Operation::MoveString || ours.operation == Operation::StoreString) {
        if (repeats) {
            EXPECT_TRUE(ours.repeat);
        }
        if (ours.operation == Operation::MoveString && code != CodeSize::Bits64) {
            EXPECT_EQ(segment_of(oracle.operands[1].mem.segment), ours.string_source);
        }
    }
    const ZydisDecodedOperand* other = other_operand(oracle);
    if (ours.other == OperandKind::Register) {
        ASSERT_NE(other, nullptr);
        ASSERT_EQ(other->type, ZYDIS_OPERAND_TYPE_REGISTER);
        expect_register(*other, ours.reg);
    } else if (ours.other == OperandKind::Immediate) {
        ASSERT_NE(other, nullptr);
        ASSERT_EQ(other->type, ZYDIS_OPERAND_TYPE_IMMEDIATE);
        const unsigned bits = ours.memory_bytes * 8u;
        const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
        EXPECT_EQ(other->imm.value.u & mask, ours.immediate);
    }
}

/// Zydis 4.0 takes r13 for the base of [disp32 + index] with REX.B and 32-bit addresses. Intel SDM volume 2, table 2-5:
/// there is no base then, whatever REX.B; objdump agrees with us.
bool oracle_is_wrong(const Oracle& oracle) {
    const auto& raw = oracle.instruction.raw;
    return oracle.ok && oracle.instruction.address_width == 32 && raw.modrm.mod == 0 && raw.modrm.rm == 4 &&
           raw.sib.base == 5 && raw.rex.B != 0;
}

std::string hex(std::span<const uint8_t> bytes) {
    std::string text;
    for (uint8_t byte : bytes) {
        char digits[4];
        std::snprintf(digits, sizeof digits, "%02x ", byte);
        text += digits;
    }
    return text;
}

class Comparison {
  public:
    void run(const std::vector<uint8_t>& bytes, CodeSize code) {
        const Oracle oracle = ask(bytes, code);
        const auto ours = decode(bytes, code);
        if (oracle_is_wrong(oracle)) return;
        ++compared_;
        if (ours) {
            ++accepted_;
            SCOPED_TRACE(hex(bytes) + "in mode " + std::to_string(machine_mode(code)));
            expect_same(oracle, ours.value(), code);
        } else if (expected(oracle)) {
            ADD_FAILURE() << "refused: " << hex(bytes) << "in mode " << machine_mode(code) << ": " << describe(ours.error());
        }
    }
    unsigned compared() const { return compared_; }
    unsigned accepted() const { return accepted_; }

  private:
    unsigned compared_ = 0;
    unsigned accepted_ = 0;
};

const std::vector<std::vector<uint8_t>> prefix_sets = {
    {},           {0x66},       {0x67},       {0x66, 0x67}, {0xf2},       {0xf3},       {0xf0},       {0x26},       {0x2e},
    {0x36},       {0x3e},       {0x64},       {0x65},       {0x40},       {0x41},       {0x42},       {0x44},       {0x45},
    {0x47},       {0x48},       {0x49},       {0x4c},       {0x4f},       {0x66, 0x48}, {0x48, 0x66}, {0x67, 0x4d}, {0x64, 0x67, 0x44},
    {0x66, 0x40}, {0xf3, 0x48}, {0x65, 0x66}, {0xf0, 0x49}, {0x2e, 0x65}, {0x64, 0x3e}, {0x67, 0x66, 0xf3},
};

TEST(DecoderOracle, AllOpcodesAndAddressingForms) {
    std::mt19937 random{42};
    Comparison comparison;
    for (const CodeSize code : {CodeSize::Bits16, CodeSize::Bits32, CodeSize::Bits64}) {
        for (const auto& prefixes : prefix_sets) {
            for (unsigned opcode = 0; opcode < 512; ++opcode) {
                for (unsigned modrm = 0; modrm < 256; ++modrm) {
                    // Each addressing form with each register field for our opcodes; a sample for the others.
                    if (random() % 12 != 0) continue;
                    std::vector<uint8_t> bytes = prefixes;
                    if (opcode >= 256) bytes.push_back(0x0f);
                    bytes.push_back(static_cast<uint8_t>(opcode));
                    bytes.push_back(static_cast<uint8_t>(modrm));
                    for (int i = 0; i < 12; ++i) bytes.push_back(static_cast<uint8_t>(random()));
                    comparison.run(bytes, code);
                    if (testing::Test::HasFailure()) return;
                }
            }
        }
    }
    EXPECT_GT(comparison.compared(), 900'000u);
    EXPECT_GT(comparison.accepted(), 50'000u);
}

TEST(DecoderOracle, RandomPrefixChains) {
    std::mt19937 random{43};
    static constexpr uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x48, 0x45, 0x43};
    static constexpr uint8_t opcodes[] = {0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3, 0xc6, 0xc7, 0xa4, 0xa5, 0xaa, 0xab,
                                          0x00, 0x09, 0x22, 0x33, 0x39, 0x80, 0x81, 0x83, 0x84, 0x87, 0xf6, 0xf7};
    Comparison comparison;
    for (int round = 0; round < 300'000; ++round) {
        std::vector<uint8_t> bytes;
        for (unsigned i = random() % 6; i > 0; --i) bytes.push_back(prefixes[random() % std::size(prefixes)]);
        if (random() % 8 == 0) {
            bytes.push_back(0x0f);
            bytes.push_back(static_cast<uint8_t>(0xb6 | (random() & 9)));
        } else {
            bytes.push_back(opcodes[random() % std::size(opcodes)]);
        }
        while (bytes.size() < 16) bytes.push_back(static_cast<uint8_t>(random()));
        if (random() % 8 == 0) bytes.resize(random() % 12 + 1);
        comparison.run(bytes, static_cast<CodeSize>(random() % 3));
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(comparison.accepted(), 90'000u);
}

}  // namespace
}  // namespace bulkhead::vmm
