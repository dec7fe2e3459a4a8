// SPDX-License-Identifier: Apache-2.0
// Execution of one instruction that touched device memory: addresses, the access, the flags, the new registers.
// Computes register changes as a value and changes nothing itself, so that the result can be committed before the
// reply (vmm/exit). One iteration of a repeated string instruction is executed per exit: simple, and bounded.
//
// The guest may rewrite its instruction between the exit and our reading it. The linear address computed here is
// therefore translated and compared with the address of the exit; if they differ the guest just tries again.
#pragma once

#include <cstdint>

#include "base/address.hpp"
#include "base/result.hpp"
#include "base/static_vector.hpp"
#include "vmm/arch/x86/instruction.hpp"
#include "vmm/arch/x86/registers.hpp"
#include "vmm/vm/guest_memory.hpp"

namespace bulkhead::vmm {

/// Where accesses to guest-physical addresses that are not RAM go.
class MmioBus {
  public:
    virtual uint64_t read_mmio(GuestPhysicalAddress address, unsigned size_bytes) = 0;
    virtual void write_mmio(GuestPhysicalAddress address, unsigned size_bytes, uint64_t value) = 0;

  protected:
    ~MmioBus() = default;
};

struct RegisterChange {
    Gpr index = Gpr::Rax;
    uint64_t value = 0;
};

/// What the vCPU's registers become.
struct RegisterChanges {
    StaticVector<RegisterChange, 3> gpr;
    uint64_t rip = 0;
    uint64_t rflags = 0;
};

enum class EmulateError : uint8_t {
    Retry,          ///< the instruction does not match the exit (any more): resume the guest unchanged
    FetchFailed,    ///< its bytes cannot be read
    NotSupported,   ///< it is not one of the instructions we know
    CrossesPage,    ///< the access spans two pages
    SourceUnknown,  ///< MOVS whose other operand cannot be translated
};

/// Reads the instruction at CS:RIP and decodes it.
Result<Instruction, EmulateError> fetch_instruction(const Registers& registers, const GuestMemory& memory);

/// Executes the instruction at CS:RIP, which accessed `fault`, an address outside RAM.
Result<RegisterChanges, EmulateError> emulate_mmio(const Registers& registers, GuestPhysicalAddress fault,
                                                   const GuestMemory& memory, MmioBus& bus);

/// The linear address of a memory operand of an instruction that ends at `next_rip`.
uint64_t linear_address(const MemoryOperand& operand, const Registers& registers, uint64_t next_rip);

/// Result and flags of an arithmetic operation of `size_bytes`; `result` is `first` for Compare and Test.
struct ArithmeticResult {
    uint64_t result = 0;
    uint64_t rflags = 0;
};
ArithmeticResult compute(Operation operation, uint64_t first, uint64_t second, unsigned size_bytes, uint64_t rflags);

const char* describe(EmulateError error);

}  // namespace bulkhead::vmm
