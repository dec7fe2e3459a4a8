// SPDX-License-Identifier: Apache-2.0
// Fixed places of a native address space, and what the kernel tells every program and the root task.
#pragma once

#include "abi/capability.hpp"

namespace bulkhead::abi {

/// User addresses are below this: one page under the canonical boundary, so that no return address can leave the
/// canonical range (SYSRET and SYSEXIT fault in ring 0 on non-canonical addresses; Intel SDM volume 2).
inline constexpr uint64_t user_address_limit = 0x0000'7fff'ffff'f000;
/// Addresses below are never mapped, so that null pointers fault.
inline constexpr uint64_t user_address_minimum = 0x1000;

/// The page through which programs enter the kernel: read-only, executable, in every native domain. `call` it with
/// the registers set; it is a function that keeps RSP and RBP and returns the result in the registers.
inline constexpr uint64_t stub_page_address = 0x3ff000;
/// `SystemInformation` stands at this offset of the stub page.
inline constexpr uint64_t system_information_offset = 0x800;
/// Programs of this system are linked from here on.
inline constexpr uint64_t program_base_address = 0x400000;
/// `RootInformation` of the root task.
inline constexpr uint64_t root_information_address = 0x3f0000;
/// The root task's first message buffer and the top of its first stack.
inline constexpr uint64_t root_message_buffer_address = 0x3e0000;
inline constexpr uint64_t root_stack_top = 0x3d0000;

inline constexpr uint32_t maximum_cpus = 64;
inline constexpr unsigned priorities = 256;
inline constexpr uint64_t no_deadline = ~uint64_t{0};

enum class ProcessorVendor : uint32_t { Unknown = 0, Intel = 1, Amd = 2 };
enum class Virtualization : uint32_t { None = 0, Vmx = 1, Svm = 2 };

struct SystemInformation {
    uint64_t tsc_hz;
    uint32_t cpu_count;
    ProcessorVendor vendor;
    Virtualization virtualization;
    uint32_t reserved;
};

/// Slots the kernel fills in the root task's capability space, and that init fills alike in every domain it makes.
struct WellKnownSlot {
    static constexpr Selector Self = 1;  ///< the domain itself
    static constexpr Selector Machine = 2;
    static constexpr Selector Ports = 3;         ///< PortRange of all ports
    static constexpr Selector DeviceMemory = 4;  ///< first of the MemoryObjects of all that is not RAM
    static constexpr Selector FirstFree = 64;    ///< the root task: first slot not used by the kernel's list
};

struct RootMemory {
    uint64_t physical_address;
    uint64_t size_bytes;
    Selector selector;
    uint32_t reserved;
};

struct RootModule {
    uint64_t size_bytes;  ///< of the content; the memory object is rounded up to pages
    Selector selector;    ///< read-only memory object
    uint32_t reserved;
    char name[48];        ///< first word of the module's command line, NUL-terminated
    char arguments[192];  ///< the rest of it
};

inline constexpr unsigned max_root_memories = 32;
inline constexpr unsigned max_root_devices = 32;
inline constexpr unsigned max_root_modules = 64;

/// What the root task finds, read-only, at `root_information_address` (RDI at its start).
struct RootInformation {
    static constexpr uint64_t expected_magic = 0x4b4c4842'544f4f52;
    uint64_t magic;
    uint32_t cpu_count;
    uint32_t memory_count;
    uint32_t module_count;
    Selector first_free_slot;
    uint32_t capability_slots;
    uint32_t device_count;
    uint64_t acpi_root_table;    ///< physical address of the XSDT or, without one, the RSDT; 0: none
    uint64_t quota_pages;        ///< kernel memory this domain may split among its children
    RootMemory memories[max_root_memories];
    RootMemory devices[max_root_devices];  ///< ranges that are not RAM, one memory object each
    char command_line[512];
    RootModule modules[max_root_modules];
};

}  // namespace bulkhead::abi
