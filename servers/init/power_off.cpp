// SPDX-License-Identifier: Apache-2.0
#include "servers/init/power_off.hpp"

namespace bulkhead::init {
namespace {

namespace acpi = x86::acpi;

/// PM1 control register. ACPI 6.5, 4.8.3.2.1.
struct Pm1Control {
    using SleepType = BitField<10, 3>;
    using SleepEnable = Bit<13>;

    static uint16_t sleep(uint8_t type) { return static_cast<uint16_t>(SleepType::make(type & 7) | SleepEnable::mask); }
};

/// One small integer constant of AML; nothing if it is something else. ACPI 6.5, 20.2.3.
std::optional<uint8_t> read_integer(Bytes aml, size_t& offset) {
    constexpr uint8_t zero_op = 0x00, one_op = 0x01, byte_prefix = 0x0a;
    const auto op = read_at<uint8_t>(aml, offset++);
    if (op == zero_op || op == one_op) return op;
    return op == byte_prefix ? read_at<uint8_t>(aml, offset++) : std::nullopt;
}

/// Looks for Name(_S5_, Package(){a, b, ...}) without an AML interpreter: the sleep types of "off".
std::optional<PowerOff> find_sleep_types(Bytes dsdt, PowerOff ports) {
    constexpr uint8_t package_op = 0x12;
    constexpr std::string_view name = "_S5_";
    const std::string_view text{reinterpret_cast<const char*>(dsdt.data()), dsdt.size()};
    size_t offset = text.find(name);
    if (offset == std::string_view::npos) return std::nullopt;
    offset += name.size();
    if (read_at<uint8_t>(dsdt, offset++) != package_op) return std::nullopt;
    // PkgLength, whose first byte says how many follow, and the number of elements (ACPI 6.5, 20.2.4 and 20.2.5.4).
    const auto length = read_at<uint8_t>(dsdt, offset);
    if (!length) return std::nullopt;
    offset += 1 + (*length >> 6) + 1;
    const auto type_a = read_integer(dsdt, offset);
    const auto type_b = read_integer(dsdt, offset);
    if (!type_a || !type_b) return std::nullopt;
    ports.command_a = Pm1Control::sleep(*type_a);
    ports.command_b = Pm1Control::sleep(*type_b);
    return ports;
}

}  // namespace

std::optional<PowerOff> find_power_off(PhysicalAddress root_table, acpi::PhysicalView view) {
    std::optional<PowerOff> result;
    const Bytes root = acpi::table_at(root_table, view);
    if (root.empty()) return result;
    acpi::for_each_table(root, view, [&](Bytes table) {
        const auto fadt = read_at<acpi::Fadt>(table, 0);
        if (!fadt || !acpi::is_table(table, "FACP")) return;
        if (fadt->pm1a_control == 0 || fadt->pm1a_control > UINT16_MAX || fadt->pm1b_control > UINT16_MAX) return;
        const PowerOff ports{.port_a = static_cast<uint16_t>(fadt->pm1a_control),
                             .port_b = static_cast<uint16_t>(fadt->pm1b_control),
                             .command_a = 0,
                             .command_b = 0};
        result = find_sleep_types(acpi::table_at(PhysicalAddress{fadt->dsdt}, view), ports);
    });
    return result;
}

}  // namespace bulkhead::init
