// SPDX-License-Identifier: Apache-2.0
// One iteration of a benchmark, instruction by instruction: Bochs's debugger traces it between two magic breakpoints,
// with the registers and memory accesses of each instruction, and this sums it up: by function, and what is dear on real hardware or
// when hosted (VMCS and VMCB accesses with their fields, MSRs, CR3, TLB flushes).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

/// What an instruction reads or writes by a virtual address.
struct MemoryAccess {
    std::uint64_t physical = 0;
    bool reads = false;
    bool writes = false;
};

struct TracedInstruction {
    std::uint64_t address = 0;
    std::string text;  ///< as Bochs disassembles it: "vmread rax, rdx"
    std::map<std::string, std::uint64_t> registers = {};  ///< before it
    std::vector<MemoryAccess> accesses = {};
};

/// What lies between the breakpoints, without the second one. Lines of other kinds are passed over.
[[nodiscard]] std::vector<TracedInstruction> parse_trace(std::string_view text);

/// An instruction worth counting on its own: "VMREAD InstructionLength", "WRMSR 0xc0000082", "MOV to CR3"; empty for
/// all others.
[[nodiscard]] std::string special_kind(const TracedInstruction& instruction);

/// The kernel's accesses to the VMCBs that the trace runs, by field: "VMCB write rip". A write to a field the processor
/// may keep in its cache has " (clean bit)" behind it. What VMRUN, VMLOAD and VMSAVE do themselves is not in it.
[[nodiscard]] std::map<std::string, unsigned> vmcb_accesses(const std::vector<TracedInstruction>& trace);

/// How often each kind occurs, VMCB accesses among them. A VMCS field outside the set KVM shadows for its guests has
/// " (not shadowed)" behind it.
[[nodiscard]] std::map<std::string, unsigned> special_counts(const std::vector<TracedInstruction>& trace);

/// Totals for one line of a table.
struct TraceTotals {
    unsigned instructions = 0, kernel = 0, user = 0, guest = 0;
    unsigned vmreads = 0, vmwrites = 0, not_shadowed = 0;
    unsigned msr_writes = 0, msr_reads = 0, cr3_writes = 0, flushes = 0;
    unsigned vmcb_reads = 0, vmcb_writes = 0, vmcb_clean = 0;  ///< the last: writes to fields with a clean bit
};
[[nodiscard]] TraceTotals total(const std::vector<TracedInstruction>& trace);

/// The totals of one benchmark's iteration, as a report keeps them.
struct TracedRun {
    std::string name;
    TraceTotals totals;
};
/// One line each, separated by tabs. Lines that are not so are passed over.
[[nodiscard]] std::string format_traced_runs(const std::vector<TracedRun>& runs);
[[nodiscard]] std::vector<TracedRun> parse_traced_runs(std::string_view text);

/// Everything as text, with the functions' names from the kernel's and the target's symbols.
[[nodiscard]] std::string describe_trace(const Layout& layout, const std::vector<TracedInstruction>& trace);

}  // namespace bulkhead::tool
