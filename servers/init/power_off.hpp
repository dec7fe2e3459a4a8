// SPDX-License-Identifier: Apache-2.0
// How ACPI switches the machine off: which values to write to its PM1 control registers. Pure: reads physical memory
// through a function, so the real code runs on the host against made-up tables, which are hostile (hw/x86/acpi.hpp).
#pragma once

#include <optional>

#include "hw/x86/acpi.hpp"

namespace bulkhead::init {

struct PowerOff {
    uint16_t port_a, port_b;  ///< 0: there is none
    uint16_t command_a, command_b;

    bool operator==(const PowerOff&) const = default;
};

/// Nothing if the tables that XSDT or RSDT `root_table` names do not tell.
std::optional<PowerOff> find_power_off(PhysicalAddress root_table, x86::acpi::PhysicalView view);

}  // namespace bulkhead::init
