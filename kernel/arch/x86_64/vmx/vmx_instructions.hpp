// SPDX-License-Identifier: Apache-2.0
// The instructions of VT-x, and VMCS fields by name: the one place that reads and writes them, so that another way to
// reach them (an enlightened VMCS) can be slid under. They act on this CPU and the VMCS that is current on it.
#pragma once

#include "base/address.hpp"
#include "hw/x86/vmx.hpp"

namespace bulkhead::kernel::vmx {

using Field = x86::VmcsField;
inline constexpr Field eoi_exit_bitmaps[] = {Field::EoiExitBitmap0, Field::EoiExitBitmap1, Field::EoiExitBitmap2,
                                             Field::EoiExitBitmap3};

inline uint64_t read(Field field) {
    uint64_t value;
    asm volatile("vmread %1, %0" : "=r"(value) : "r"(static_cast<uint64_t>(field)) : "cc");
    return value;
}
inline void write(Field field, uint64_t value) {
    asm volatile("vmwrite %1, %0" : : "r"(static_cast<uint64_t>(field)), "r"(value) : "cc");
}

/// An instruction with the address of a region in memory as its operand; false if it failed, with CF or ZF set.
#define REGION_INSTRUCTION(name, mnemonic)                                                       \
    inline bool name(PhysicalAddress region) {                                                   \
        bool failed;                                                                             \
        const uint64_t address = region.value();                                                 \
        asm volatile(mnemonic " %1\n\tsetbe %0" : "=q"(failed) : "m"(address) : "cc", "memory"); \
        return !failed;                                                                          \
    }
REGION_INSTRUCTION(vmxon, "vmxon")
REGION_INSTRUCTION(make_current, "vmptrld")
REGION_INSTRUCTION(clear, "vmclear")
#undef REGION_INSTRUCTION

/// Translations of guests: those by one EPT pointer; all that have a VPID.
inline void invalidate_ept(uint64_t pointer) {
    const uint64_t descriptor[2] = {pointer, 0}, single = 1;
    asm volatile("invept %1, %0" : : "r"(single), "m"(descriptor) : "cc", "memory");
}
inline void invalidate_all_vpids() {
    const uint64_t descriptor[2] = {}, all = 2;
    asm volatile("invvpid %1, %0" : : "r"(all), "m"(descriptor) : "cc", "memory");
}

}  // namespace bulkhead::kernel::vmx
