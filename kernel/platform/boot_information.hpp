// SPDX-License-Identifier: Apache-2.0
// What boot found out about the machine and the boot loader's modules, for the root task. Filled on the bootstrap
// processor, constant afterwards.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "abi/layout.hpp"
#include "base/address.hpp"
#include "base/range.hpp"
#include "base/static_vector.hpp"

namespace bulkhead::kernel {

/// Text of bounded length; what is longer is cut.
template <std::size_t Capacity>
class BoundedText {
  public:
    constexpr BoundedText() = default;
    constexpr explicit BoundedText(std::string_view text)
        : length_{text.size() < Capacity ? text.size() : Capacity - 1} {
        for (std::size_t i = 0; i < length_; ++i) characters_[i] = text[i];
    }
    constexpr std::string_view view() const { return {characters_.data(), length_}; }

  private:
    std::size_t length_ = 0;
    std::array<char, Capacity> characters_{};
};

/// A file the boot loader loaded; starts on a page. Its first word is its name, the rest its arguments.
struct BootModule {
    Range physical;
    BoundedText<sizeof(abi::RootModule::name)> name;
    BoundedText<sizeof(abi::RootModule::arguments)> arguments;
};

/// A window through which PCI configuration space is seen (MCFG).
struct PciSegment {
    PhysicalAddress address;
    uint16_t segment;
    uint8_t first_bus;
    uint8_t last_bus;
};

struct BootInformation {
    static constexpr std::size_t max_ranges = abi::max_root_memories;

    StaticVector<Range, max_ranges> memory;   // free RAM in whole pages, largest first
    StaticVector<Range, max_ranges> devices;  // physical addresses that are not RAM, without APICs, largest first
    StaticVector<BootModule, abi::max_root_modules> modules;
    StaticVector<PciSegment, 8> pci_segments;
    Range kernel_pool;
    BoundedText<sizeof(abi::RootInformation::command_line)> command_line;
    PhysicalAddress acpi_root_table;  // XSDT or RSDT; 0: none
    uint64_t tsc_hz = 0;
};

const BootInformation& boot_information();

}  // namespace bulkhead::kernel
