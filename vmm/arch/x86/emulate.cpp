// SPDX-License-Identifier: Apache-2.0
#include "vmm/arch/x86/emulate.hpp"

#include <bit>

#include "vmm/arch/x86/page_walk.hpp"

namespace bulkhead::vmm {
namespace {

uint64_t truncate(uint64_t value, unsigned size_bytes) {
    return size_bytes >= 8 ? value : value & ((uint64_t{1} << (size_bytes * 8)) - 1);
}

uint64_t sign_extend(uint64_t value, unsigned from_bytes) {
    const unsigned shift = 64 - from_bytes * 8;
    return static_cast<uint64_t>(static_cast<int64_t>(value << shift) >> shift);
}

uint64_t read_register(const Registers& registers, const RegisterOperand& operand) {
    const uint64_t value = registers[operand.index];
    return truncate(operand.high_byte ? value >> 8 : value, operand.size_bytes);
}

/// The full register after a write of `operand.size_bytes`: 32-bit writes clear the upper half, smaller ones merge.
uint64_t merged(const Registers& registers, const RegisterOperand& operand, uint64_t value) {
    const uint64_t old = registers[operand.index];
    switch (operand.size_bytes) {
        case 1: {
            const unsigned shift = operand.high_byte ? 8 : 0;
            return (old & ~(uint64_t{0xff} << shift)) | ((value & 0xff) << shift);
        }
        case 2: return (old & ~uint64_t{0xffff}) | (value & 0xffff);
        case 4: return value & UINT32_MAX;
        default: return value;
    }
}

/// RIP behind the instruction; it wraps at the width of the code segment.
uint64_t advance(const Registers& registers, unsigned length) {
    const uint64_t next = registers.rip + length;
    switch (code_size(registers)) {
        case CodeSize::Bits16: return next & 0xffff;
        case CodeSize::Bits32: return next & UINT32_MAX;
        default: return next;
    }
}

/// A string register stepped by one element, at the width of the address size.
uint64_t stepped(const Registers& registers, Gpr index, const Instruction& instruction, int64_t step) {
    RegisterOperand operand{index, false, instruction.memory.address_bytes};
    return merged(registers, operand, registers[index] + static_cast<uint64_t>(step));
}

class Emulation {
  public:
    Emulation(const Registers& registers, const Instruction& instruction, GuestPhysicalAddress fault,
              const GuestMemory& memory, MmioBus& bus)
        : registers_{registers}, instruction_{instruction}, fault_{fault}, memory_{memory}, bus_{bus} {
        changes_.rip = advance(registers, instruction.length);
        changes_.rflags = registers.rflags;
    }

    Result<RegisterChanges, EmulateError> run() {
        if (instruction_.repeat && count() == 0) return changes_;  // nothing to do; cannot have faulted, though
        if (instruction_.operation == Operation::MoveString) {
            TRY(move_string());
        } else {
            TRY(check_operand());
            access();
        }
        return changes_;
    }

  private:
    uint64_t count() const { return truncate(registers_[Gpr::Rcx], instruction_.memory.address_bytes); }

    Result<GuestPhysicalAddress, EmulateError> locate(const MemoryOperand& operand, WalkFor purpose) const {
        const uint64_t linear = linear_address(operand, registers_, changes_.rip);
        if (linear % page_size_bytes + instruction_.memory_bytes > page_size_bytes) return EmulateError::CrossesPage;
        const auto translation = translate(memory_, registers_.paging, linear, purpose);
        if (!translation) return EmulateError::SourceUnknown;
        return translation.value().address;
    }

    Result<void, EmulateError> check_operand() const {
        const auto address = locate(instruction_.memory, WalkFor::Read);
        if (!address) {
            return address.error() == EmulateError::SourceUnknown ? EmulateError::Retry : address.error();
        }
        if (address.value() != fault_) return EmulateError::Retry;
        return {};
    }

    uint64_t read() { return truncate(bus_.read_mmio(fault_, instruction_.memory_bytes), instruction_.memory_bytes); }
    void write(uint64_t value) {
        bus_.write_mmio(fault_, instruction_.memory_bytes, truncate(value, instruction_.memory_bytes));
    }
    void set(Gpr index, uint64_t value) {
        const bool fits = changes_.gpr.push_back({index, value});
        ASSERT(fits);
    }
    uint64_t other() const {
        if (instruction_.other == OperandKind::Immediate) return instruction_.immediate;
        return read_register(registers_, instruction_.reg);
    }

    void access() {
        const RegisterOperand& reg = instruction_.reg;
        switch (instruction_.operation) {
            case Operation::Move:
                if (instruction_.memory_is_destination) {
                    write(other());
                } else {
                    set(reg.index, merged(registers_, reg, read()));
                }
                return;
            case Operation::MoveZeroExtend: set(reg.index, merged(registers_, reg, read())); return;
            case Operation::MoveSignExtend:
                set(reg.index, merged(registers_, reg, sign_extend(read(), instruction_.memory_bytes)));
                return;
            case Operation::Exchange: {
                const uint64_t old = read();
                write(other());
                set(reg.index, merged(registers_, reg, old));
                return;
            }
            case Operation::StoreString:
                write(other());
                set(Gpr::Rdi, stepped(registers_, Gpr::Rdi, instruction_, step()));
                finish_iteration();
                return;
            default: arithmetic(); return;
        }
    }

    void arithmetic() {
        const uint64_t in_memory = read();
        const bool to_memory = instruction_.memory_is_destination;
        const uint64_t first = to_memory ? in_memory : other();
        const uint64_t second = to_memory ? other() : in_memory;
        const ArithmeticResult computed =
            compute(instruction_.operation, first, second, instruction_.memory_bytes, registers_.rflags);
        changes_.rflags = computed.rflags;
        if (instruction_.operation == Operation::Compare || instruction_.operation == Operation::Test) return;
        if (to_memory) {
            write(computed.result);
        } else {
            set(instruction_.reg.index, merged(registers_, instruction_.reg, computed.result));
        }
    }

    int64_t step() const {
        const int64_t size = instruction_.memory_bytes;
        return (registers_.rflags & rflags::direction) != 0 ? -size : size;
    }

    void finish_iteration() {
        if (!instruction_.repeat) return;
        const RegisterOperand counter{Gpr::Rcx, false, instruction_.memory.address_bytes};
        const uint64_t left = count() - 1;
        set(Gpr::Rcx, merged(registers_, counter, left));
        if (left != 0) changes_.rip = registers_.rip;
    }

    /// MOVS between a device and RAM, or between two devices.
    Result<void, EmulateError> move_string() {
        MemoryOperand source = instruction_.memory;
        source.base = Gpr::Rsi;
        source.segment = instruction_.string_source;
        const GuestPhysicalAddress from = TRY(locate(source, WalkFor::Read));
        const GuestPhysicalAddress to = TRY(locate(instruction_.memory, WalkFor::Write));
        if (from != fault_ && to != fault_) return EmulateError::Retry;
        const uint64_t value = TRY(load(from));
        TRY(store(to, value));
        set(Gpr::Rsi, stepped(registers_, Gpr::Rsi, instruction_, step()));
        set(Gpr::Rdi, stepped(registers_, Gpr::Rdi, instruction_, step()));
        finish_iteration();
        return {};
    }

    Result<uint64_t, EmulateError> load(GuestPhysicalAddress address) {
        const unsigned size = instruction_.memory_bytes;
        if (!memory_.contains(address, size)) return bus_.read_mmio(address, size);
        uint64_t value = 0;
        if (!memory_.read(address, std::as_writable_bytes(std::span{&value, 1}).first(size))) {
            return EmulateError::SourceUnknown;
        }
        return value;
    }

    Result<void, EmulateError> store(GuestPhysicalAddress address, uint64_t value) {
        const unsigned size = instruction_.memory_bytes;
        if (!memory_.contains(address, size)) {
            bus_.write_mmio(address, size, value);
            return {};
        }
        if (!memory_.write(address, std::as_bytes(std::span{&value, 1}).first(size))) return EmulateError::SourceUnknown;
        return {};
    }

    const Registers& registers_;
    const Instruction& instruction_;
    GuestPhysicalAddress fault_;
    const GuestMemory& memory_;
    MmioBus& bus_;
    RegisterChanges changes_;
};

}  // namespace

uint64_t linear_address(const MemoryOperand& operand, const Registers& registers, uint64_t next_rip) {
    uint64_t offset = static_cast<uint64_t>(operand.displacement);
    if (operand.base) offset += registers[*operand.base];
    if (operand.index) offset += registers[*operand.index] * operand.scale;
    if (operand.rip_relative) offset += next_rip;
    offset = truncate(offset, operand.address_bytes);
    if (code_size(registers) == CodeSize::Bits64) {
        const bool based = operand.segment == Segment::Fs || operand.segment == Segment::Gs;
        return based ? offset + registers[operand.segment].base : offset;
    }
    return (offset + registers[operand.segment].base) & UINT32_MAX;
}

ArithmeticResult compute(Operation operation, uint64_t first, uint64_t second, unsigned size_bytes, uint64_t rflags) {
    first = truncate(first, size_bytes);
    second = truncate(second, size_bytes);
    uint64_t wide = 0;
    bool carry = false;
    bool overflow = false;
    bool adjust = false;
    const uint64_t sign_bit = uint64_t{1} << (size_bytes * 8 - 1);
    switch (operation) {
        case Operation::Add:
            wide = truncate(first + second, size_bytes);
            carry = wide < first;
            overflow = (~(first ^ second) & (first ^ wide) & sign_bit) != 0;
            adjust = ((first ^ second ^ wide) & 0x10) != 0;
            break;
        case Operation::Subtract:
        case Operation::Compare:
            wide = truncate(first - second, size_bytes);
            carry = first < second;
            overflow = ((first ^ second) & (first ^ wide) & sign_bit) != 0;
            adjust = ((first ^ second ^ wide) & 0x10) != 0;
            break;
        case Operation::And:
        case Operation::Test: wide = first & second; break;
        case Operation::Or: wide = first | second; break;
        case Operation::Xor: wide = first ^ second; break;
        default: break;
    }
    uint64_t flags = rflags & ~rflags::arithmetic;
    if (carry) flags |= rflags::carry;
    if (overflow) flags |= rflags::overflow;
    if (adjust) flags |= rflags::adjust;
    if (wide == 0) flags |= rflags::zero;
    if ((wide & sign_bit) != 0) flags |= rflags::sign;
    if (std::popcount(wide & 0xff) % 2 == 0) flags |= rflags::parity;
    const bool keeps_first = operation == Operation::Compare || operation == Operation::Test;
    return {keeps_first ? first : wide, flags};
}

Result<Instruction, EmulateError> fetch_instruction(const Registers& registers, const GuestMemory& memory) {
    std::array<uint8_t, max_instruction_bytes> bytes{};
    const CodeSize code = code_size(registers);
    const uint64_t base = code == CodeSize::Bits64 ? 0 : registers[Segment::Cs].base;
    std::size_t count = 0;
    while (count < bytes.size()) {
        uint64_t linear = base + registers.rip + count;
        if (code != CodeSize::Bits64) linear &= UINT32_MAX;
        const auto translation = translate(memory, registers.paging, linear, WalkFor::Read);
        if (!translation) break;
        const std::size_t in_page = page_size_bytes - linear % page_size_bytes;
        const std::size_t piece = in_page < bytes.size() - count ? in_page : bytes.size() - count;
        if (!memory.read(translation.value().address, std::as_writable_bytes(std::span{bytes}).subspan(count, piece))) break;
        count += piece;
    }
    if (count == 0) return EmulateError::FetchFailed;
    const auto decoded = decode(std::span{bytes}.first(count), code);
    if (decoded) return decoded.value();
    return decoded.error() == DecodeError::Truncated ? EmulateError::FetchFailed : EmulateError::NotSupported;
}

Result<RegisterChanges, EmulateError> emulate_mmio(const Registers& registers, GuestPhysicalAddress fault,
                                                   const GuestMemory& memory, MmioBus& bus) {
    const Instruction instruction = TRY(fetch_instruction(registers, memory));
    return Emulation{registers, instruction, fault, memory, bus}.run();
}

const char* describe(EmulateError error) {
    switch (error) {
        case EmulateError::Retry: return "the instruction does not match the exit";
        case EmulateError::FetchFailed: return "the instruction bytes cannot be read";
        case EmulateError::NotSupported: return "the instruction is not supported on device memory";
        case EmulateError::CrossesPage: return "the access to device memory crosses a page";
        case EmulateError::SourceUnknown: return "an operand has no address";
    }
    return "unknown";
}

}  // namespace bulkhead::vmm
