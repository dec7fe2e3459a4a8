// SPDX-License-Identifier: Apache-2.0
// Privileged and special instructions, one function each, and nothing else. They act on the CPU that runs them. Those
// that take EDX:EAX ignore the upper halves of RDX and RAX.
#pragma once

#include "hw/x86/control_register.hpp"
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
    asm volatile("wrmsr" : : "c"(msr), "a"(value), "d"(value >> 32) : "memory");
}

/// Names a label to go on at after a fault (#GP, #PF) of the instruction at local label 1; see interrupt.cpp.
#define FIXUP_1_TO(label) ".pushsection .fixup_table, \"a\"\n\t.quad 1b, %l[" #label "]\n\t.popsection\n\t"

/// False if the CPU refused the register or the value.
[[nodiscard]] inline bool write_msr_checked(x86::Msr msr, uint64_t value) {
    asm goto("1: wrmsr\n\t" FIXUP_1_TO(refused) : : "c"(msr), "a"(value), "d"(value >> 32) : "memory" : refused);
    return true;
refused:
    return false;
}
/// False if the CPU refused the value: the caller need not know every rule of SDM vol. 1, 13.3.
[[nodiscard]] inline bool write_xcr0_checked(uint64_t value) {
    asm goto("1: xsetbv\n\t" FIXUP_1_TO(refused) : : "c"(0), "a"(value), "d"(value >> 32) : "memory" : refused);
    return true;
refused:
    return false;
}
/// False if the CPU does not have the register.
[[nodiscard]] inline bool read_msr_checked(x86::Msr msr, uint64_t& value) {
    uint32_t low, high;
    asm goto("1: rdmsr\n\t" FIXUP_1_TO(refused) : "=a"(low), "=d"(high) : "c"(msr) : : refused);
    value = uint64_t{high} << 32 | low;
    return true;
refused:
    return false;
}
inline uint64_t read_xcr0() {
    uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return uint64_t{high} << 32 | low;
}

/// read_NAME and write_NAME of a control or debug register.
#define REGISTER_ACCESS(name)                                           \
    inline uint64_t read_##name() {                                     \
        uint64_t value;                                                 \
        asm volatile("mov %%" #name ", %0" : "=r"(value) : : "memory"); \
        return value;                                                   \
    }                                                                   \
    inline void write_##name(uint64_t value) { asm volatile("mov %0, %%" #name : : "r"(value) : "memory"); }
REGISTER_ACCESS(cr0)
REGISTER_ACCESS(cr2)
REGISTER_ACCESS(cr3)
REGISTER_ACCESS(cr4)
REGISTER_ACCESS(dr0)
REGISTER_ACCESS(dr1)
REGISTER_ACCESS(dr2)
REGISTER_ACCESS(dr3)
REGISTER_ACCESS(dr6)
REGISTER_ACCESS(dr7)
#undef REGISTER_ACCESS

inline x86::CpuidResult cpuid(uint32_t leaf, uint32_t subleaf = 0) {
    x86::CpuidResult r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

inline uint64_t read_tsc() { return __builtin_ia32_rdtsc(); }

/// T is uint8_t, uint16_t or uint32_t: the width of the access.
template <typename T>
T port_read(uint16_t port) {
    T value;
    asm volatile("in %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
template <typename T>
void port_write(uint16_t port, T value) {
    asm volatile("out %0, %1" : : "a"(value), "Nd"(port) : "memory");
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
