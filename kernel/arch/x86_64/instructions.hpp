// SPDX-License-Identifier: Apache-2.0
// Privileged and special instructions, one function each, and nothing else. They act on the CPU that runs them.
#pragma once

#include <cstdint>

#include "hw/x86/cpuid.hpp"
#include "hw/x86/descriptor.hpp"
#include "hw/x86/msr.hpp"

namespace bulkhead::kernel {

inline uint64_t read_msr(x86::Msr msr) {
    uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return uint64_t{high} << 32 | low;
}
inline void write_msr(x86::Msr msr, uint64_t value) {
    asm volatile("wrmsr"
                 :
                 : "c"(msr), "a"(static_cast<uint32_t>(value)), "d"(static_cast<uint32_t>(value >> 32))
                 : "memory");
}

/// Names a continuation for a fault (#GP, #PF) at local label 1, right before it; see interrupt.cpp.
#define FIXUP_1_TO_2                       \
    ".pushsection .fixup_table, \"a\"\n\t" \
    ".quad 1b, 2f\n\t"                     \
    ".popsection\n\t"

/// False if the CPU refused the register or the value.
[[nodiscard]] inline bool write_msr_checked(x86::Msr msr, uint64_t value) {
    uint64_t failed = 1;
    asm volatile("1: wrmsr\n\t" FIXUP_1_TO_2
                 "xor %k[failed], %k[failed]\n\t"
                 "2:\n\t"
                 : [failed] "+r"(failed)
                 : "c"(msr), "a"(static_cast<uint32_t>(value)), "d"(static_cast<uint32_t>(value >> 32))
                 : "memory", "cc");
    return failed == 0;
}
/// False if the CPU does not have the register.
[[nodiscard]] inline bool read_msr_checked(x86::Msr msr, uint64_t& value) {
    uint64_t failed = 1;
    uint32_t low = 0, high = 0;
    asm volatile("1: rdmsr\n\t" FIXUP_1_TO_2
                 "xor %k[failed], %k[failed]\n\t"
                 "2:\n\t"
                 : [failed] "+r"(failed), "+a"(low), "+d"(high)
                 : "c"(msr)
                 : "memory", "cc");
    value = uint64_t{high} << 32 | low;
    return failed == 0;
}
/// False if the CPU refused the value: the caller need not know every rule of SDM vol. 1, 13.3.
[[nodiscard]] inline bool write_xcr0_checked(uint64_t value) {
    uint64_t failed = 1;
    asm volatile("1: xsetbv\n\t" FIXUP_1_TO_2
                 "xor %k[failed], %k[failed]\n\t"
                 "2:\n\t"
                 : [failed] "+r"(failed)
                 : "c"(0), "a"(static_cast<uint32_t>(value)), "d"(static_cast<uint32_t>(value >> 32))
                 : "memory", "cc");
    return failed == 0;
}
inline uint64_t read_xcr0() {
    uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return uint64_t{high} << 32 | low;
}

inline uint64_t read_cr0() {
    uint64_t value;
    asm volatile("mov %%cr0, %0" : "=r"(value) : : "memory");
    return value;
}
inline void write_cr0(uint64_t value) { asm volatile("mov %0, %%cr0" : : "r"(value) : "memory"); }
inline uint64_t read_cr2() {
    uint64_t value;
    asm volatile("mov %%cr2, %0" : "=r"(value) : : "memory");
    return value;
}
inline uint64_t read_cr3() {
    uint64_t value;
    asm volatile("mov %%cr3, %0" : "=r"(value) : : "memory");
    return value;
}
inline void write_cr3(uint64_t value) { asm volatile("mov %0, %%cr3" : : "r"(value) : "memory"); }
inline uint64_t read_cr4() {
    uint64_t value;
    asm volatile("mov %%cr4, %0" : "=r"(value) : : "memory");
    return value;
}
inline void write_cr4(uint64_t value) { asm volatile("mov %0, %%cr4" : : "r"(value) : "memory"); }
inline uint64_t read_dr6() {
    uint64_t value;
    asm volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}
inline void write_dr6(uint64_t value) { asm volatile("mov %0, %%dr6" : : "r"(value)); }
inline void write_dr7(uint64_t value) { asm volatile("mov %0, %%dr7" : : "r"(value)); }

inline void invalidate_page(uint64_t address) {
    asm volatile("invlpg %0" : : "m"(*reinterpret_cast<const char*>(address)) : "memory");
}

inline x86::CpuidResult cpuid(uint32_t leaf, uint32_t subleaf = 0) {
    x86::CpuidResult r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

inline uint64_t read_tsc() {
    uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return uint64_t{high} << 32 | low;
}

inline uint8_t port_read8(uint16_t port) {
    uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
inline uint16_t port_read16(uint16_t port) {
    uint16_t value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
inline uint32_t port_read32(uint16_t port) {
    uint32_t value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
inline void port_write8(uint16_t port, uint8_t value) {
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
inline void port_write16(uint16_t port, uint16_t value) {
    asm volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
inline void port_write32(uint16_t port, uint32_t value) {
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

inline void load_gdt(const x86::DescriptorTablePointer& pointer) { asm volatile("lgdt %0" : : "m"(pointer)); }
inline void load_idt(const x86::DescriptorTablePointer& pointer) { asm volatile("lidt %0" : : "m"(pointer)); }
inline void load_task_register(uint16_t selector) { asm volatile("ltr %0" : : "r"(selector) : "memory"); }
inline void load_local_descriptor_table(uint16_t selector) { asm volatile("lldt %0" : : "r"(selector)); }

inline void cpu_relax() { asm volatile("pause" : : : "memory"); }
/// Stops this CPU for good; an NMI wakes it only to be stopped again.
[[noreturn]] inline void halt_forever() {
    for (;;) asm volatile("cli; hlt" : : : "memory");
}

}  // namespace bulkhead::kernel
