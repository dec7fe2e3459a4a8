// SPDX-License-Identifier: Apache-2.0
// Reads the boot loader's information into what the kernel keeps. Pure: bytes in, values out; hostile bytes are
// skipped.
#pragma once

#include "hw/x86/multiboot2.hpp"
#include "kernel/memory/region_list.hpp"
#include "kernel/platform/boot_information.hpp"
#include "kernel/platform/byte_reader.hpp"

namespace bulkhead::kernel {

inline constexpr std::size_t max_boot_regions = 128;
using BootRegions = RegionList<max_boot_regions>;

struct MultibootInformation {
    BootRegions available;  // RAM for any use
    BootRegions firmware;   // RAM that holds ACPI tables
    StaticVector<BootModule, abi::max_root_modules> modules;
    unsigned dropped_modules = 0;
    std::string_view command_line;  // in the boot loader's memory
    Bytes root_pointer;             // copy of the ACPI RSDP, in the boot loader's memory
};

/// Fills `result` from the boot loader's bytes, which start with its header.
void parse_multiboot(Bytes bytes, MultibootInformation& result);

}  // namespace bulkhead::kernel
