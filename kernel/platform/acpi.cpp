// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/acpi.hpp"

#include "hw/x86/acpi.hpp"

namespace bulkhead::kernel {
namespace {

namespace acpi = x86::acpi;

constexpr std::size_t max_table_bytes = 1u << 20;
constexpr std::size_t max_tables = 256;

bool sums_to_zero(Bytes bytes) {
    uint8_t sum = 0;
    for (const std::byte byte : bytes) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(byte));
    return sum == 0;
}

/// The whole table at `address`, or none if it is not one.
Bytes table_at(PhysicalAddress address, PhysicalView view) {
    const auto header = read_at<acpi::TableHeader>(view(address, sizeof(acpi::TableHeader)), 0);
    if (!header || header->length < sizeof(acpi::TableHeader) || header->length > max_table_bytes) return {};
    const Bytes table = view(address, header->length);
    return sums_to_zero(table) ? table : Bytes{};
}

void add_processor(uint32_t apic_id, uint32_t flags, AcpiInformation& result) {
    if (!acpi::ProcessorFlags::Enabled::read(flags)) return;
    if (std::ranges::count(result.apic_ids, apic_id) != 0) return;
    if (!result.apic_ids.push_back(apic_id)) ++result.dropped_processors;
}

void parse_madt_entry(uint8_t type, Bytes entry, AcpiInformation& result) {
    if (type == acpi::MadtEntry::local_apic) {
        if (const auto e = read_at<acpi::MadtLocalApic>(entry, 0)) add_processor(e->apic_id, e->flags, result);
    } else if (type == acpi::MadtEntry::local_x2apic) {
        if (const auto e = read_at<acpi::MadtLocalX2Apic>(entry, 0)) add_processor(e->apic_id, e->flags, result);
    } else if (type == acpi::MadtEntry::io_apic) {
        const auto e = read_at<acpi::MadtIoApic>(entry, 0);
        if (e) (void)result.io_apics.push_back({PhysicalAddress{e->address}, e->first_interrupt});
    } else if (type == acpi::MadtEntry::interrupt_override) {
        using Override = acpi::MadtInterruptOverride;
        const auto e = read_at<Override>(entry, 0);
        if (!e) return;
        (void)result.overrides.push_back({.source = e->source,
                                          .global_interrupt = e->global_interrupt,
                                          .active_low = Override::Polarity::read(e->flags) == Override::active_low,
                                          .level = Override::Trigger::read(e->flags) == Override::level});
    }
}

void parse_madt(Bytes table, AcpiInformation& result) {
    const auto madt = read_at<acpi::Madt>(table, 0);
    if (!madt) return;
    result.local_apic = PhysicalAddress{madt->local_apic_address};
    for (std::size_t offset = sizeof(acpi::Madt);;) {
        const auto entry = read_at<acpi::MadtEntry>(table, offset);
        if (!entry || entry->length < sizeof(acpi::MadtEntry) || offset + entry->length > table.size()) return;
        parse_madt_entry(entry->type, table.subspan(offset, entry->length), result);
        offset += entry->length;
    }
}

/// One small integer constant of AML; nothing if it is something else. ACPI 6.5, 20.2.3.
std::optional<uint8_t> read_aml_integer(Bytes aml, std::size_t& offset) {
    constexpr std::byte zero_op{0x00}, one_op{0x01}, byte_prefix{0x0a};
    if (offset >= aml.size()) return std::nullopt;
    const std::byte op = aml[offset++];
    if (op == zero_op) return 0;
    if (op == one_op) return 1;
    if (op != byte_prefix || offset >= aml.size()) return std::nullopt;
    return static_cast<uint8_t>(aml[offset++]);
}

/// Looks for Name(_S5_, Package(){a, b, ...}) without an AML interpreter: the sleep types of "off".
void find_sleep_types(Bytes dsdt, PowerOff& power_off) {
    constexpr std::byte package_op{0x12};
    const std::string_view text{reinterpret_cast<const char*>(dsdt.data()), dsdt.size()};
    const std::size_t name = text.find("_S5_");
    if (name == std::string_view::npos) return;
    std::size_t offset = name + 4;
    if (offset + 2 >= dsdt.size() || dsdt[offset] != package_op) return;
    const auto length_bytes = std::to_integer<unsigned>(dsdt[offset + 1] >> 6);  // PkgLength: more bytes follow
    offset += 3 + length_bytes;                                                  // to the first element
    const auto type_a = read_aml_integer(dsdt, offset);
    const auto type_b = read_aml_integer(dsdt, offset);
    if (!type_a || !type_b) return;
    power_off.type_a = *type_a;
    power_off.type_b = *type_b;
}

void parse_fadt(Bytes table, PhysicalView view, AcpiInformation& result) {
    const auto fadt = read_at<acpi::Fadt>(table, 0);
    if (!fadt) return;
    if (fadt->pm_timer <= UINT16_MAX) result.pm_timer_port = static_cast<uint16_t>(fadt->pm_timer);
    result.pm_timer_32_bits = acpi::FadtFlags::PmTimer32Bits::read(fadt->flags);
    if (fadt->pm1a_control <= UINT16_MAX) result.power_off.control_a = static_cast<uint16_t>(fadt->pm1a_control);
    if (fadt->pm1b_control <= UINT16_MAX) result.power_off.control_b = static_cast<uint16_t>(fadt->pm1b_control);
    find_sleep_types(table_at(PhysicalAddress{fadt->dsdt}, view), result.power_off);
}

void parse_table(Bytes table, PhysicalView view, AcpiInformation& result) {
    const auto header = read_at<acpi::TableHeader>(table, 0);
    if (!header) return;
    const std::string_view signature{header->signature, sizeof(header->signature)};
    if (signature == "APIC") parse_madt(table, result);
    if (signature == "FACP") parse_fadt(table, view, result);
}

/// RSDT and XSDT differ in the width of their addresses.
template <typename Pointer>
bool parse_root_table(PhysicalAddress address, PhysicalView view, AcpiInformation& result) {
    const Bytes root = table_at(address, view);
    if (root.empty()) return false;
    result.root_table = address;
    for (std::size_t i = 0; i < max_tables; ++i) {
        const auto entry = read_at<Pointer>(root, sizeof(acpi::TableHeader) + i * sizeof(Pointer));
        if (!entry) break;
        parse_table(table_at(PhysicalAddress{*entry}, view), view, result);
    }
    return true;
}

bool is_acpi_root_pointer(Bytes bytes) {
    if (bytes.size() < acpi::old_root_pointer_bytes) return false;
    const auto signature = read_at<std::array<char, 8>>(bytes, 0);
    return signature && std::string_view{signature->data(), signature->size()} == "RSD PTR " &&
           sums_to_zero(bytes.first(acpi::old_root_pointer_bytes));
}

}  // namespace

PhysicalAddress find_acpi_root_pointer(PhysicalView view) {
    constexpr uint64_t bios_start = 0xe0000, bios_end = 0x100000, step = 16;
    for (uint64_t address = bios_start; address < bios_end; address += step) {
        if (is_acpi_root_pointer(view(PhysicalAddress{address}, acpi::old_root_pointer_bytes)))
            return PhysicalAddress{address};
    }
    return PhysicalAddress{};
}

void parse_acpi(Bytes root_pointer, PhysicalView view, AcpiInformation& result) {
    if (!is_acpi_root_pointer(root_pointer)) return;
    const auto full = read_at<acpi::RootPointer>(root_pointer, 0);
    if (full && full->revision >= 2 && full->xsdt != 0 &&
        parse_root_table<uint64_t>(PhysicalAddress{full->xsdt}, view, result))
        return;
    const auto rsdt = read_at<uint32_t>(root_pointer, offsetof(acpi::RootPointer, rsdt));
    if (rsdt) (void)parse_root_table<uint32_t>(PhysicalAddress{*rsdt}, view, result);
}

}  // namespace bulkhead::kernel
