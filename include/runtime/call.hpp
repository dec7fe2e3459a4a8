// SPDX-License-Identifier: Apache-2.0
// System calls of user space: one function that turns any call struct of abi/calls.hpp into registers, enters the
// kernel through the stub page and turns the registers back into a result. Everything it needs is known when
// compiling, so a call is the moves of its arguments, one CALL and the test of the status. Any thread.
#pragma once

#include <cstdint>

#include "abi/calls.hpp"
#include "abi/layout.hpp"
#include "abi/register.hpp"
#include "abi/status.hpp"

namespace bulkhead::runtime {

constexpr uint32_t register_bit(abi::Register index) { return uint32_t{1} << static_cast<unsigned>(index); }

/// What the arguments of a call, or its results, use as a set of registers.
template <typename Struct>
constexpr uint32_t registers_of() {
    uint32_t set = 0;
    if constexpr (!std::is_void_v<Struct>) {
        Struct call{};
        abi::for_each_argument(call, [&](const auto& argument) { set |= register_bit(argument.index); });
    }
    return set;
}

/// Loads a register variable if the call uses that register, else leaves it as it is (the kernel ignores it).
#define BULKHEAD_LOAD_REGISTER(variable, index)          \
    if constexpr ((inputs & register_bit(index)) != 0) { \
        variable = registers[index];                     \
    } else {                                             \
        asm("" : "=r"(variable));                        \
    }

/// Makes a system call. The kernel keeps the registers that are not results; RCX, RDX and R11 are lost.
template <typename Call>
[[nodiscard]] [[gnu::always_inline]] inline abi::Result<abi::Output<Call>> invoke(const Call& call) {
    using enum abi::Register;
    using Output = abi::Output<Call>;
    constexpr uint32_t inputs = registers_of<Call>();
    constexpr uint32_t outputs = registers_of<Output>();
    constexpr uint32_t rare = register_bit(Rbx) | register_bit(R12);
    static_assert(((inputs | outputs) & (register_bit(R13) | register_bit(R14) | register_bit(R15))) == 0);
    static_assert((outputs & ~(register_bit(Rsi) | register_bit(R8) | register_bit(R9))) == 0);

    abi::Registers registers;
    abi::encode(registers, call);
    uint64_t tag = static_cast<uint64_t>(abi::number_of<Call>);
    register uint64_t rdi asm("rdi");
    register uint64_t rsi asm("rsi");
    register uint64_t r8 asm("r8");
    register uint64_t r9 asm("r9");
    register uint64_t r10 asm("r10");
    BULKHEAD_LOAD_REGISTER(rdi, Rdi)
    BULKHEAD_LOAD_REGISTER(rsi, Rsi)
    BULKHEAD_LOAD_REGISTER(r8, R8)
    BULKHEAD_LOAD_REGISTER(r9, R9)
    BULKHEAD_LOAD_REGISTER(r10, R10)
    if constexpr ((inputs & rare) != 0) {
        static_assert(outputs == 0);
        register uint64_t r12 asm("r12") = registers[R12];
        asm volatile("call %c[stub]"
                     : "+a"(tag)
                     : "r"(rdi), "r"(rsi), "r"(r8), "r"(r9), "r"(r10), "b"(registers[Rbx]),
                       "r"(r12), [stub] "i"(abi::stub_page_address)
                     : "rcx", "rdx", "r11", "memory", "cc");
    } else if constexpr (outputs == 0) {
        asm volatile("call %c[stub]"
                     : "+a"(tag)
                     : "r"(rdi), "r"(rsi), "r"(r8), "r"(r9), "r"(r10), [stub] "i"(abi::stub_page_address)
                     : "rcx", "rdx", "r11", "memory", "cc");
    } else {
        asm volatile("call %c[stub]"
                     : "+a"(tag), "+r"(rsi), "+r"(r8), "+r"(r9)
                     : "r"(rdi), "r"(r10), [stub] "i"(abi::stub_page_address)
                     : "rcx", "rdx", "r11", "memory", "cc");
    }
    const auto status = static_cast<abi::Status>(tag & 0xff);
    if (status != abi::Status::Ok) [[unlikely]]
        return status;
    if constexpr (std::is_void_v<Output>) {
        return {};
    } else {
        abi::Registers results{};
        results[Rsi] = rsi;
        results[R8] = r8;
        results[R9] = r9;
        return abi::decode<Output>(results);
    }
}

#undef BULKHEAD_LOAD_REGISTER

/// What the kernel tells every program about the machine.
inline const abi::SystemInformation& system_information() {
    return *reinterpret_cast<const abi::SystemInformation*>(abi::stub_page_address + abi::system_information_offset);
}

}  // namespace bulkhead::runtime
