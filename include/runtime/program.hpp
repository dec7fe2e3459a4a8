// SPDX-License-Identifier: Apache-2.0
// How a program starts. `_start` (servers/runtime/start.cpp) finds the page in RDI, sets up the runtime, runs static
// constructors, and calls the entry point the program defines: `root_main` where the page is the kernel's
// RootInformation, `program_main` where it is the supervisor's StartupInformation. Most define just one.
#pragma once

#include <cstdint>
#include <string_view>

#include "abi/capability.hpp"
#include "abi/layout.hpp"
#include "protocol/startup.hpp"

namespace bulkhead {

/// Entry of a root task. Returning ends the machine's run with that status.
int root_main(const abi::RootInformation& information) __attribute__((weak));
/// Entry of a program started by the supervisor. Returning ends the program (`runtime::exit`).
int program_main(const protocol::StartupInformation& startup) __attribute__((weak));

namespace runtime {

/// What the program is and has. Filled before static constructors run, read-only after that.
struct Environment {
    const char* name;
    const abi::RootInformation* root;             ///< null unless this is the root task
    const protocol::StartupInformation* startup;  ///< null in the root task
    uint64_t cpus;                                ///< bit mask of the CPUs its threads may be on
    uint32_t cpu_count;                           ///< of the machine
    uint8_t priority;                             ///< of the first thread
    abi::Selector machine;                        ///< null if there is none
    abi::Selector exception_portals;              ///< portal for CPU 0; null if there is none
    abi::Selector supervisor_portals;             ///< likewise
    abi::Selector heap_memory;                    ///< memory object behind the heap
    uint64_t heap_bytes;
    /// Root task only: the part of a memory of RootInformation that the runtime took as its heap.
    abi::Selector heap_source;
    uint64_t heap_source_offset;
};

const Environment& environment();

/// Bytes a root task takes as its heap from the largest memory of RootInformation; define it to have another size.
extern const uint64_t root_heap_bytes __attribute__((weak));
inline constexpr uint64_t default_root_heap_bytes = 8 * 1024 * 1024;

/// Where threads made from now on have their exceptions delivered: portal for CPU 0, those of the other CPUs behind it.
/// For a root task, whom nobody gives any.
void set_exception_portals(abi::Selector first);

/// Ends the program with a status. The root task halts the machine; others tell their supervisor.
[[noreturn]] void exit(int status);

/// Stops the calling thread by a fault (UD2), so that the supervisor sees where it was.
[[noreturn]] inline void stop_by_fault() {
    for (;;) asm volatile("ud2");
}

}  // namespace runtime
}  // namespace bulkhead
