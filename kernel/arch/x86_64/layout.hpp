// SPDX-License-Identifier: Apache-2.0
// The kernel's half of every address space. Each region starts on an entry of the top-level table; the entries are
// filled at boot and never change afterwards, so a domain's table copies them once.
#pragma once

#include "abi/layout.hpp"
#include "base/address.hpp"
#include "kernel/arch/x86_64/asm_constants.h"

namespace bulkhead::kernel {

inline constexpr uint64_t direct_map_base = 0xffff'8000'0000'0000;         // all RAM but the kernel image: read, write
inline constexpr uint64_t cpu_region_base = CPU_REGION_BASE;               // CPU blocks, see cpu.hpp
inline constexpr uint64_t task_state_region_base = 0xffff'c100'0000'0000;  // TSS and I/O bitmap of each CPU
inline constexpr uint64_t device_region_base = 0xffff'd000'0000'0000;      // uncached device registers
inline constexpr uint64_t image_base = IMAGE_BASE;                         // kernel image, at its load address

/// Where the direct map shows a byte of RAM.
template <typename T = void>
T* direct_map(PhysicalAddress address) {
    return reinterpret_cast<T*>(direct_map_base + address.value());
}
/// The physical address behind a pointer into the direct map.
inline PhysicalAddress physical_of(const void* pointer) {
    return PhysicalAddress{reinterpret_cast<uint64_t>(pointer) - direct_map_base};
}

}  // namespace bulkhead::kernel
