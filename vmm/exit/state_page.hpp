// SPDX-License-Identifier: Apache-2.0
// Between the kernel's state page and the monitor: reading registers for the emulation, and writing the states a vCPU
// is put into. Every change of the page is described by a value first (`PageChange`), which is committed with the exit
// and can be applied any number of times.
#pragma once

#include <cstdint>

#include "abi/vcpu.hpp"
#include "vmm/arch/x86/emulate.hpp"
#include "vmm/arch/x86/registers.hpp"
#include "vmm/loader/linux.hpp"

namespace bulkhead::vmm {

/// Groups an emulated instruction needs.
inline constexpr abi::VcpuStateGroups emulation_groups =
    abi::VcpuStateGroups{abi::VcpuStateGroup::GeneralRegisters} | abi::VcpuStateGroup::InstructionPointer |
    abi::VcpuStateGroup::CodeSegments | abi::VcpuStateGroup::DataSegments | abi::VcpuStateGroup::ControlRegisters;

Registers read_registers(const abi::VcpuStatePage& page);

/// How the state page changes with a reply.
struct PageChange {
    enum class Kind : uint8_t {
        None,
        Registers,  ///< `registers`
        Reset,      ///< INIT state
        Start,      ///< INIT state, then real mode at `start_vector` << 12
        LinuxBoot,  ///< the bootstrap processor's first state
    };
    Kind kind = Kind::None;
    uint8_t start_vector = 0;
    bool sets_tsc_offset = false;
    uint64_t tsc_offset = 0;
    RegisterChanges registers;
};

/// Applies a change and says which groups it touched.
abi::VcpuStateGroups apply(const PageChange& change, const LinuxEntry& entry, abi::VcpuStatePage& page);

}  // namespace bulkhead::vmm
