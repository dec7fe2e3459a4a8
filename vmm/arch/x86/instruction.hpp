// SPDX-License-Identifier: Apache-2.0
// Decoder of the instructions that access device memory. It knows the forms that operating systems use on devices,
// and says no to everything else; the unit tests compare it with Zydis over a large set of encodings.
// Pure: bytes in, description out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/result.hpp"
#include "vmm/arch/x86/registers.hpp"

namespace bulkhead::vmm {

inline constexpr std::size_t max_instruction_bytes = 15;

enum class Operation : uint8_t {
    Move,
    MoveZeroExtend,
    MoveSignExtend,
    Add,
    Or,
    And,
    Subtract,
    Xor,
    Compare,
    Test,
    Exchange,
    StoreString,  ///< STOS: memory is ES:rDI
    MoveString,   ///< MOVS: memory is ES:rDI, source is `string_source`
};

enum class OperandKind : uint8_t { Register, Immediate, String };

/// seg:[base + index * scale + displacement], truncated to the address size.
struct MemoryOperand {
    Segment segment = Segment::Ds;
    std::optional<Gpr> base;
    std::optional<Gpr> index;
    bool rip_relative = false;
    uint8_t scale = 1;
    uint8_t address_bytes = 8;
    int64_t displacement = 0;
};

/// A register operand; `high_byte` names AH, CH, DH, BH with `index` Rax, Rcx, Rdx, Rbx.
struct RegisterOperand {
    Gpr index = Gpr::Rax;
    bool high_byte = false;
    uint8_t size_bytes = 0;
};

struct Instruction {
    Operation operation = Operation::Move;
    uint8_t length = 0;
    uint8_t memory_bytes = 0;            ///< size of the access to memory
    bool memory_is_destination = false;  ///< and, unless it is a Move or StoreString, also the first source
    OperandKind other = OperandKind::Register;
    RegisterOperand reg;     ///< if other == Register
    uint64_t immediate = 0;  ///< if other == Immediate: sign-extended, then cut to the operand size
    bool repeat = false;     ///< REP or REPNE before a string instruction
    bool locked = false;
    MemoryOperand memory;
    Segment string_source = Segment::Ds;  ///< MOVS: segment of [rSI]
};

enum class DecodeError : uint8_t {
    Truncated,       ///< the bytes end within the instruction
    TooLong,         ///< more than 15 bytes
    NotSupported,    ///< an opcode that is not in the list
    NoMemory,        ///< the form has no memory operand
    IllegalLock,     ///< LOCK where the processor refuses it
};

Result<Instruction, DecodeError> decode(std::span<const uint8_t> bytes, CodeSize code);

const char* describe(DecodeError error);

}  // namespace bulkhead::vmm
