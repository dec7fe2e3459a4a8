// SPDX-License-Identifier: Apache-2.0
// The ACPI tables of a machine of profile `micro`: hardware-reduced, no legacy devices but COM1 and the clock
// (ACPI 6.4, chapter 5). Written once into guest memory, before the guest starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/address.hpp"
#include "base/result.hpp"

namespace bulkhead::vmm {

struct AcpiConfiguration {
    unsigned vcpu_count = 1;
    bool has_com1 = true;
};

enum class AcpiError : uint8_t { TooLarge };

/// Builds RSDP, XSDT, FADT, DSDT, MADT and MCFG into `buffer`, which the guest sees at `address`; the RSDP comes first.
/// Returns the number of bytes used.
Result<std::size_t, AcpiError> build_acpi_tables(std::span<std::byte> buffer, GuestPhysicalAddress address,
                                                 const AcpiConfiguration& configuration);

/// The DSDT alone, header included, for tests.
Result<std::size_t, AcpiError> build_dsdt(std::span<std::byte> buffer, const AcpiConfiguration& configuration);

}  // namespace bulkhead::vmm
