// SPDX-License-Identifier: Apache-2.0
// Loader of unmodified Linux bzImages by the 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst). Kernel and
// initrd are files from outside: every field is checked before it is used, and every error is one sentence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/address.hpp"
#include "base/result.hpp"
#include "vmm/arch/x86/registers.hpp"
#include "vmm/vm/guest_memory.hpp"

namespace bulkhead::vmm {

struct LinuxImage {
    std::span<const std::byte> kernel;
    std::span<const std::byte> initrd;
    std::string_view command_line;
};

enum class LinuxError : uint8_t {
    NoKernel,
    TooSmall,
    NotLinux,
    OldProtocol,
    No64BitEntry,
    Truncated,
    BadHeader,
    KernelDoesNotFit,
    InitrdDoesNotFit,
    CommandLineTooLong,
    NoLowMemory,
    Count
};

/// One sentence: what is wrong, and what is allowed.
std::string_view describe(LinuxError error);

/// How the bootstrap processor starts.
struct LinuxEntry {
    GuestPhysicalAddress instruction;
    GuestPhysicalAddress boot_parameters;  ///< RSI
    GuestPhysicalAddress page_table;       ///< CR3
    GuestPhysicalAddress descriptor_table;
    uint16_t descriptor_table_limit = 0;
    uint16_t code_selector = 0;
    uint16_t data_selector = 0;
    uint16_t task_selector = 0;
    // For the log.
    GuestPhysicalAddress kernel;
    GuestPhysicalAddress initrd;
};

/// Writes kernel, initrd, command line, boot parameters, page tables and descriptor table into guest memory.
Result<LinuxEntry, LinuxError> load_linux(const GuestMemory& memory, const LinuxImage& image,
                                          GuestPhysicalAddress acpi_root);

}  // namespace bulkhead::vmm
