// SPDX-License-Identifier: Apache-2.0
// The registers a system call uses and the tables that describe calls: one struct per call (calls.hpp), whose table
// of fields drives the kernel's decoder, the runtime's stubs and the printed reference (architecture.md section 4).
//
// Entry: RAX = call tag (message.hpp), RDI and the others = arguments, RDX = user stack pointer (set by the stub page).
// RCX, RDX, R11 and RBP are never arguments: SYSENTER/SYSEXIT and SYSCALL/SYSRET use the first three, the stub page
// keeps the fourth.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

namespace bulkhead::abi {

/// Index into `Registers`. The order is that of the kernel's register frame, low addresses first.
enum class Register : uint8_t { R15, R14, R13, R12, Rbx, R10, R9, R8, Rsi, Rdi, Rax, Count };

/// The register part of a call, a message or a result.
struct Registers {
    std::array<uint64_t, static_cast<size_t>(Register::Count)> words{};

    constexpr uint64_t& operator[](Register index) { return words[static_cast<size_t>(index)]; }
    constexpr uint64_t operator[](Register index) const { return words[static_cast<size_t>(index)]; }
};
static_assert(sizeof(Registers) == 11 * 8);

/// One member of a call's argument or result struct and the bits of a register it travels in.
template <typename Struct, typename Member>
struct Field {
    using Value = Member;

    const char* text;
    Member Struct::*member;
    Register index;
    uint8_t shift;
    uint8_t width;

    constexpr uint64_t value_mask() const { return width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1; }
    constexpr uint64_t bits() const { return value_mask() << shift; }
    constexpr void encode(Registers& registers, const Struct& from) const {
        registers[index] |= (static_cast<uint64_t>(from.*member) & value_mask()) << shift;
    }
    constexpr void decode(const Registers& registers, Struct& to) const {
        to.*member = static_cast<Member>((registers[index] >> shift) & value_mask());
    }
};

template <typename Struct, typename Member>
constexpr Field<Struct, Member> field(Member Struct::*member, Register index, const char* text, uint8_t shift = 0,
                                      uint8_t width = sizeof(Member) * 8) {
    return {text, member, index, shift, width};
}

/// Whether no two fields of a table share a bit of a register.
template <typename... Fields>
constexpr bool disjoint(const std::tuple<Fields...>& table) {
    Registers used{};
    bool ok = true;
    std::apply(
        [&](const auto&... entry) {
            ((ok = ok && (used[entry.index] & entry.bits()) == 0, used[entry.index] |= entry.bits()), ...);
        },
        table);
    return ok;
}

template <typename Struct>
constexpr void encode(Registers& registers, const Struct& value) {
    std::apply([&](const auto&... entry) { (entry.encode(registers, value), ...); }, Struct::fields());
}

template <typename Struct>
constexpr Struct decode(const Registers& registers) {
    Struct value{};
    std::apply([&](const auto&... entry) { (entry.decode(registers, value), ...); }, Struct::fields());
    return value;
}

}  // namespace bulkhead::abi
