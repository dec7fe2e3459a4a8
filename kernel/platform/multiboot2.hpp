// SPDX-License-Identifier: Apache-2.0
// Reads the boot loader's information into what the kernel keeps. Pure: bytes in, values out; hostile bytes are
// skipped.
#pragma once

#include <string_view>

#include "abi/layout.hpp"
#include "base/byte_reader.hpp"
#include "hw/x86/multiboot2.hpp"
#include "kernel/memory/region_list.hpp"

namespace bulkhead::kernel {

using BootRegions = RegionList<128>;

/// Copies text into an array, NUL-terminated; what does not fit is cut.
template <std::size_t Capacity>
void copy_text(char (&to)[Capacity], std::string_view text) {
    to[text.copy(to, Capacity - 1)] = '\0';
}

/// A file the boot loader loaded; starts on a page.
struct BootModule {
    Range physical;
    abi::RootModule entry{};  // for the root task
};

struct MultibootInformation {
    BootRegions available;  // RAM for any use
    StaticVector<BootModule, abi::max_root_modules> modules;
    unsigned dropped_modules = 0;
    char command_line[sizeof(abi::RootInformation::command_line)] = {};
    Bytes root_pointer;  // copy of the ACPI RSDP, in the boot loader's memory
};

/// Fills `result` from the boot loader's bytes, which start with its header.
void parse_multiboot(Bytes bytes, MultibootInformation& result);

}  // namespace bulkhead::kernel
