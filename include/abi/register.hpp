// SPDX-License-Identifier: Apache-2.0
// The registers a system call uses and the tables that describe calls: one struct per call (calls.hpp), whose
// members drive the kernel's decoder, the runtime's stubs and the printed reference (architecture.md section 4).
//
// Entry: RAX = call tag (message.hpp), RDI and the others = arguments, RDX = user stack pointer (set by the stub page).
// RCX, RDX, R11 and RBP are never arguments: SYSENTER/SYSEXIT and SYSCALL/SYSRET use the first three, the stub page
// keeps the fourth.
#pragma once

#include <array>
#include <cstddef>
#include <tuple>

#include "base/bit_field.hpp"

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

/// An argument or result of a call: a value and the bits of a register it travels in.
template <typename T, Register Where, unsigned Shift = 0, unsigned Width = std::is_same_v<T, bool> ? 1 : 8 * sizeof(T)>
struct Argument : BitField<Shift, Width, T> {
    static constexpr Register index = Where;

    constexpr Argument(T initial = {}) : value{initial} {}
    constexpr operator T() const { return value; }

    alignas(uint64_t) T value;  // so that the size of a struct of arguments tells how many there are
};

#define BULKHEAD_TIE_IF_COUNT_IS(number, ...) \
    if constexpr (count == number) {           \
        auto& [__VA_ARGS__] = call;            \
        return std::tie(__VA_ARGS__);          \
    }
/// The members of a call or output struct, which are all arguments, as a tuple of references.
template <typename Struct>
constexpr auto arguments_of(Struct& call) {
    constexpr size_t count = std::is_empty_v<Struct> ? 0 : sizeof(Struct) / sizeof(uint64_t);
    static_assert(count <= 9);
    if constexpr (count == 0) return std::tie();
    BULKHEAD_TIE_IF_COUNT_IS(1, a)
    BULKHEAD_TIE_IF_COUNT_IS(2, a, b)
    BULKHEAD_TIE_IF_COUNT_IS(3, a, b, c)
    BULKHEAD_TIE_IF_COUNT_IS(4, a, b, c, d)
    BULKHEAD_TIE_IF_COUNT_IS(5, a, b, c, d, e)
    BULKHEAD_TIE_IF_COUNT_IS(6, a, b, c, d, e, f)
    BULKHEAD_TIE_IF_COUNT_IS(7, a, b, c, d, e, f, g)
    BULKHEAD_TIE_IF_COUNT_IS(8, a, b, c, d, e, f, g, h)
    BULKHEAD_TIE_IF_COUNT_IS(9, a, b, c, d, e, f, g, h, i)
}
#undef BULKHEAD_TIE_IF_COUNT_IS

/// Calls `visit` with each argument in turn.
template <typename Struct, typename Visitor>
constexpr void for_each_argument(Struct& call, Visitor visit) {
    std::apply([&](auto&... argument) { (visit(argument), ...); }, arguments_of(call));
}

/// Whether no two arguments of a struct share a bit of a register. (`void`: a call without results.)
template <typename Struct>
constexpr bool disjoint() {
    Registers used{};
    bool ok = true;
    if constexpr (!std::is_void_v<Struct>) {
        Struct call{};
        for_each_argument(call, [&](const auto& argument) {
            ok = ok && (used[argument.index] & argument.mask) == 0;
            used[argument.index] |= argument.mask;
        });
    }
    return ok;
}

/// Puts arguments into their registers, which are replaced whole.
template <typename Struct>
constexpr void encode(Registers& registers, const Struct& call) {
    for_each_argument(call, [&](const auto& argument) { registers[argument.index] = 0; });
    for_each_argument(call, [&](const auto& argument) { registers[argument.index] |= argument.make(argument.value); });
}

template <typename Struct>
constexpr Struct decode(const Registers& registers) {
    Struct call{};
    for_each_argument(call, [&](auto& argument) { argument.value = argument.read(registers[argument.index]); });
    return call;
}

}  // namespace bulkhead::abi
