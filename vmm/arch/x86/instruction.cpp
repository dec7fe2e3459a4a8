// SPDX-License-Identifier: Apache-2.0
// Encoding: Intel SDM volume 2, chapter 2 (format) and appendix A (opcode map).
#include "vmm/arch/x86/instruction.hpp"

#include <array>

namespace bulkhead::vmm {
namespace {

constexpr uint8_t rex_w = 8;
constexpr uint8_t rex_r = 4;
constexpr uint8_t rex_x = 2;
constexpr uint8_t rex_b = 1;

/// How an opcode's operands are encoded.
enum class Form : uint8_t {
    None,           // not an instruction we know
    MemoryReg,      // r/m is destination, reg is source
    RegMemory,      // reg is destination, r/m is source
    MemoryImm,      // r/m is destination, immediate of operand size (at most 32 bits)
    AddressToAcc,   // A0, A1: accumulator from an absolute address
    AccToAddress,   // A2, A3
    String,
    ArithmeticGroup,  // 80, 81, 83: /r selects the operation
    TestGroup,        // F6, F7: /0 and /1 are TEST
};

struct Opcode {
    Form form = Form::None;
    Operation operation = Operation::Move;
    bool byte_operand = false;
    bool immediate_byte = false;  // of a group: the immediate is a byte
};

constexpr std::array<Opcode, 256> make_one_byte_table() {
    std::array<Opcode, 256> table{};
    struct Row {
        unsigned first;
        Operation operation;
    };
    for (const Row row : {Row{0x00, Operation::Add}, Row{0x08, Operation::Or}, Row{0x20, Operation::And},
                          Row{0x28, Operation::Subtract}, Row{0x30, Operation::Xor}, Row{0x38, Operation::Compare}}) {
        table[row.first + 0] = {Form::MemoryReg, row.operation, true};
        table[row.first + 1] = {Form::MemoryReg, row.operation, false};
        table[row.first + 2] = {Form::RegMemory, row.operation, true};
        table[row.first + 3] = {Form::RegMemory, row.operation, false};
    }
    table[0x80] = {Form::ArithmeticGroup, Operation::Add, true, true};
    table[0x81] = {Form::ArithmeticGroup, Operation::Add, false, false};
    table[0x82] = {Form::ArithmeticGroup, Operation::Add, true, true};  // an alias of 80, not in 64-bit code
    table[0x83] = {Form::ArithmeticGroup, Operation::Add, false, true};
    table[0x84] = {Form::MemoryReg, Operation::Test, true};
    table[0x85] = {Form::MemoryReg, Operation::Test, false};
    table[0x86] = {Form::MemoryReg, Operation::Exchange, true};
    table[0x87] = {Form::MemoryReg, Operation::Exchange, false};
    table[0x88] = {Form::MemoryReg, Operation::Move, true};
    table[0x89] = {Form::MemoryReg, Operation::Move, false};
    table[0x8a] = {Form::RegMemory, Operation::Move, true};
    table[0x8b] = {Form::RegMemory, Operation::Move, false};
    table[0xa0] = {Form::AddressToAcc, Operation::Move, true};
    table[0xa1] = {Form::AddressToAcc, Operation::Move, false};
    table[0xa2] = {Form::AccToAddress, Operation::Move, true};
    table[0xa3] = {Form::AccToAddress, Operation::Move, false};
    table[0xa4] = {Form::String, Operation::MoveString, true};
    table[0xa5] = {Form::String, Operation::MoveString, false};
    table[0xaa] = {Form::String, Operation::StoreString, true};
    table[0xab] = {Form::String, Operation::StoreString, false};
    table[0xc6] = {Form::MemoryImm, Operation::Move, true};
    table[0xc7] = {Form::MemoryImm, Operation::Move, false};
    table[0xf6] = {Form::TestGroup, Operation::Test, true};
    table[0xf7] = {Form::TestGroup, Operation::Test, false};
    return table;
}
constexpr std::array<Opcode, 256> one_byte = make_one_byte_table();

class Decoder {
  public:
    Decoder(std::span<const uint8_t> bytes, CodeSize code) : bytes_{bytes}, code_{code} {}

    Result<Instruction, DecodeError> run() {
        TRY(prefixes());
        const uint8_t opcode = TRY(take<uint8_t>());
        if (opcode == 0x0f) {
            TRY(extending_move());
        } else {
            if (opcode == 0x82 && long_mode()) return DecodeError::NotSupported;
            TRY(one_byte_opcode(one_byte[opcode]));
        }
        if (locked_ && !lock_allowed()) return DecodeError::IllegalLock;
        out_.locked = locked_;
        out_.length = static_cast<uint8_t>(position_);
        return out_;
    }

  private:
    bool long_mode() const { return code_ == CodeSize::Bits64; }

    template <typename T>
    Result<T, DecodeError> take() {
        if (position_ + sizeof(T) > max_instruction_bytes) return DecodeError::TooLong;
        if (position_ + sizeof(T) > bytes_.size()) return DecodeError::Truncated;
        T value{};
        __builtin_memcpy(&value, bytes_.data() + position_, sizeof(T));
        position_ += sizeof(T);
        return value;
    }

    Result<void, DecodeError> prefixes() {
        for (;;) {
            const uint8_t byte = TRY(take<uint8_t>());
            if (long_mode() && (byte & 0xf0) == 0x40) {
                rex_ = byte;  // counts only if the opcode follows; a further legacy prefix cancels it below
                has_rex_ = true;
                continue;
            }
            if (!legacy_prefix(byte)) {
                --position_;
                return {};
            }
            rex_ = 0;
            has_rex_ = false;
        }
    }

    bool legacy_prefix(uint8_t byte) {
        switch (byte) {
            case 0x66: operand_override_ = true; return true;
            case 0x67: address_override_ = true; return true;
            case 0xf0: locked_ = true; return true;
            case 0xf2:
            case 0xf3: repeat_ = true; return true;
            case 0x26: override_segment(Segment::Es); return true;
            case 0x2e: override_segment(Segment::Cs); return true;
            case 0x36: override_segment(Segment::Ss); return true;
            case 0x3e: override_segment(Segment::Ds); return true;
            case 0x64: segment_ = Segment::Fs; return true;
            case 0x65: segment_ = Segment::Gs; return true;
            default: return false;
        }
    }

    /// 64-bit code ignores the four old segment prefixes.
    void override_segment(Segment segment) {
        if (!long_mode()) segment_ = segment;
    }

    uint8_t operand_bytes() const {
        if (long_mode() && (rex_ & rex_w) != 0) return 8;
        const bool wide = code_ == CodeSize::Bits16 ? operand_override_ : !operand_override_;
        return wide ? 4 : 2;
    }
    uint8_t address_bytes() const {
        switch (code_) {
            case CodeSize::Bits64: return address_override_ ? 4 : 8;
            case CodeSize::Bits32: return address_override_ ? 2 : 4;
            default: return address_override_ ? 4 : 2;
        }
    }

    RegisterOperand register_operand(unsigned number, uint8_t size_bytes) const {
        if (size_bytes == 1 && !has_rex_ && number >= 4 && number < 8) {
            return {static_cast<Gpr>(number - 4), true, size_bytes};
        }
        return {static_cast<Gpr>(number), false, size_bytes};
    }

    /// 0F B6, B7, BE, BF.
    Result<void, DecodeError> extending_move() {
        const uint8_t opcode = TRY(take<uint8_t>());
        if ((opcode & 0xf6) != 0xb6) return DecodeError::NotSupported;
        out_.operation = (opcode & 8) != 0 ? Operation::MoveSignExtend : Operation::MoveZeroExtend;
        out_.memory_bytes = (opcode & 1) != 0 ? 2 : 1;
        TRY(modrm());
        out_.reg = register_operand(reg_field_, operand_bytes());
        return {};
    }

    Result<void, DecodeError> one_byte_opcode(const Opcode& opcode) {
        const uint8_t size = opcode.byte_operand ? 1 : operand_bytes();
        out_.operation = opcode.operation;
        out_.memory_bytes = size;
        switch (opcode.form) {
            case Form::MemoryReg:
            case Form::RegMemory:
                TRY(modrm());
                out_.memory_is_destination = opcode.form == Form::MemoryReg;
                out_.reg = register_operand(reg_field_, size);
                return {};
            case Form::MemoryImm:
                TRY(modrm());
                if (reg_field_low_ != 0) return DecodeError::NotSupported;
                out_.memory_is_destination = true;
                return immediate(size, size);
            case Form::ArithmeticGroup: return arithmetic_group(opcode, size);
            case Form::TestGroup:
                TRY(modrm());
                if (reg_field_low_ > 1) return DecodeError::NotSupported;
                return immediate(size, size);
            case Form::AddressToAcc:
            case Form::AccToAddress:
                out_.memory_is_destination = opcode.form == Form::AccToAddress;
                out_.reg = {Gpr::Rax, false, size};
                return absolute_address();
            case Form::String: return string(size);
            case Form::None: break;
        }
        return DecodeError::NotSupported;
    }

    Result<void, DecodeError> arithmetic_group(const Opcode& opcode, uint8_t size) {
        TRY(modrm());
        switch (reg_field_low_) {
            case 0: out_.operation = Operation::Add; break;
            case 1: out_.operation = Operation::Or; break;
            case 4: out_.operation = Operation::And; break;
            case 5: out_.operation = Operation::Subtract; break;
            case 6: out_.operation = Operation::Xor; break;
            case 7: out_.operation = Operation::Compare; break;
            default: return DecodeError::NotSupported;  // ADC and SBB
        }
        out_.memory_is_destination = true;
        return immediate(opcode.immediate_byte ? 1 : size, size);
    }

    /// Reads an immediate of `encoded` bytes (at most four) for an operand of `size` bytes.
    Result<void, DecodeError> immediate(uint8_t encoded, uint8_t size) {
        int64_t value = 0;
        switch (encoded) {
            case 1: value = TRY(take<int8_t>()); break;
            case 2: value = TRY(take<int16_t>()); break;
            default: value = TRY(take<int32_t>()); break;
        }
        out_.other = OperandKind::Immediate;
        out_.immediate = static_cast<uint64_t>(value);
        if (size < 8) out_.immediate &= (uint64_t{1} << (size * 8)) - 1;
        return {};
    }

    Result<void, DecodeError> absolute_address() {
        MemoryOperand& memory = out_.memory;
        memory.address_bytes = address_bytes();
        memory.segment = segment_.value_or(Segment::Ds);
        switch (memory.address_bytes) {
            case 2: memory.displacement = TRY(take<uint16_t>()); break;
            case 4: memory.displacement = TRY(take<uint32_t>()); break;
            default: memory.displacement = TRY(take<int64_t>()); break;
        }
        return {};
    }

    Result<void, DecodeError> string(uint8_t size) {
        out_.memory_is_destination = true;
        out_.other = out_.operation == Operation::MoveString ? OperandKind::String : OperandKind::Register;
        out_.reg = {Gpr::Rax, false, size};
        out_.repeat = repeat_;
        out_.memory = {.segment = Segment::Es, .base = Gpr::Rdi, .index = {}, .address_bytes = address_bytes()};
        out_.string_source = segment_.value_or(Segment::Ds);
        return {};
    }

    Result<void, DecodeError> modrm() {
        const uint8_t byte = TRY(take<uint8_t>());
        const unsigned mode = byte >> 6;
        reg_field_low_ = (byte >> 3) & 7;
        reg_field_ = reg_field_low_ | ((rex_ & rex_r) != 0 ? 8u : 0u);
        if (mode == 3) return DecodeError::NoMemory;
        out_.memory.address_bytes = address_bytes();
        Segment segment = Segment::Ds;
        if (address_bytes() == 2) {
            segment = TRY(address_16(mode, byte & 7));
        } else {
            segment = TRY(address_32(mode, byte & 7));
        }
        out_.memory.segment = segment_.value_or(segment);
        return {};
    }

    Result<Segment, DecodeError> address_16(unsigned mode, unsigned rm) {
        static constexpr std::array<std::optional<Gpr>, 8> bases = {Gpr::Rbx, Gpr::Rbx,     Gpr::Rbp, Gpr::Rbp,
                                                                    Gpr::Rsi, Gpr::Rdi,     Gpr::Rbp, Gpr::Rbx};
        static constexpr std::array<std::optional<Gpr>, 8> indexes = {Gpr::Rsi,     Gpr::Rdi,     Gpr::Rsi,     Gpr::Rdi,
                                                                      std::nullopt, std::nullopt, std::nullopt, std::nullopt};
        MemoryOperand& memory = out_.memory;
        if (mode == 0 && rm == 6) {
            memory.displacement = TRY(take<int16_t>());
            return Segment::Ds;
        }
        memory.base = bases[rm];
        memory.index = indexes[rm];
        if (mode == 1) memory.displacement = TRY(take<int8_t>());
        if (mode == 2) memory.displacement = TRY(take<int16_t>());
        return memory.base == Gpr::Rbp ? Segment::Ss : Segment::Ds;
    }

    Result<Segment, DecodeError> address_32(unsigned mode, unsigned rm) {
        MemoryOperand& memory = out_.memory;
        bool no_base = mode == 0 && rm == 5;
        if (rm == 4) {
            const uint8_t sib = TRY(take<uint8_t>());
            const unsigned index = ((sib >> 3) & 7u) | ((rex_ & rex_x) != 0 ? 8u : 0u);
            if (index != 4) {
                memory.index = static_cast<Gpr>(index);
                memory.scale = static_cast<uint8_t>(1u << (sib >> 6));
            }
            rm = sib & 7;
            no_base = mode == 0 && rm == 5;
        } else if (no_base && long_mode()) {
            memory.rip_relative = true;
        }
        if (!no_base) memory.base = static_cast<Gpr>(rm | ((rex_ & rex_b) != 0 ? 8u : 0u));
        if (mode == 1) memory.displacement = TRY(take<int8_t>());
        if (mode == 2 || no_base) memory.displacement = TRY(take<int32_t>());
        const bool stack = memory.base == Gpr::Rbp || memory.base == Gpr::Rsp;
        return stack ? Segment::Ss : Segment::Ds;
    }

    bool lock_allowed() const {
        if (!out_.memory_is_destination) return false;
        switch (out_.operation) {
            case Operation::Add:
            case Operation::Or:
            case Operation::And:
            case Operation::Subtract:
            case Operation::Xor:
            case Operation::Exchange: return true;
            default: return false;
        }
    }

    std::span<const uint8_t> bytes_;
    CodeSize code_;
    std::size_t position_ = 0;
    uint8_t rex_ = 0;
    bool has_rex_ = false;
    bool operand_override_ = false;
    bool address_override_ = false;
    bool locked_ = false;
    bool repeat_ = false;
    std::optional<Segment> segment_;
    unsigned reg_field_ = 0;
    unsigned reg_field_low_ = 0;
    Instruction out_;
};

}  // namespace

Result<Instruction, DecodeError> decode(std::span<const uint8_t> bytes, CodeSize code) {
    return Decoder{bytes, code}.run();
}

const char* describe(DecodeError error) {
    switch (error) {
        case DecodeError::Truncated: return "the instruction continues beyond the bytes that could be read";
        case DecodeError::TooLong: return "the instruction is longer than 15 bytes";
        case DecodeError::NotSupported: return "this instruction is not supported on device memory";
        case DecodeError::NoMemory: return "the instruction has no memory operand";
        case DecodeError::IllegalLock: return "LOCK is not allowed on this instruction";
    }
    return "unknown";
}

}  // namespace bulkhead::vmm
