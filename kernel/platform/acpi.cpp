// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/acpi.hpp"

namespace bulkhead::kernel {
namespace {

namespace acpi = x86::acpi;

template <typename Entry>
void add_processor(Bytes bytes, AcpiInformation& result) {
    const auto entry = read_at<Entry>(bytes, 0);
    if (!entry || !acpi::MadtEntry::Enabled::read(entry->flags)) return;
    if (result.apic_ids.contains(entry->apic_id)) return;
    if (!result.apic_ids.push_back(entry->apic_id)) ++result.dropped_processors;
}

void add_io_apic(Bytes bytes, AcpiInformation& result) {
    if (const auto entry = read_at<acpi::MadtIoApic>(bytes, 0)) (void)result.io_apics.push_back(*entry);
}

void add_override(Bytes bytes, AcpiInformation& result) {
    using Override = acpi::MadtInterruptOverride;
    const auto entry = read_at<Override>(bytes, 0);
    if (!entry) return;
    (void)result.overrides.push_back({.global_interrupt = entry->global_interrupt,
                                      .level = Override::Trigger::read(entry->flags) == Override::level,
                                      .active_low = Override::Polarity::read(entry->flags) == Override::active_low});
}

void parse_madt(Bytes table, AcpiInformation& result) {
    const auto madt = read_at<acpi::Madt>(table, 0);
    if (!madt) return;
    result.local_apic = PhysicalAddress{madt->local_apic_address};
    for (std::size_t offset = sizeof(acpi::Madt);;) {
        const auto header = read_at<acpi::MadtEntry>(table, offset);
        if (!header || header->length < sizeof(acpi::MadtEntry) || offset + header->length > table.size()) return;
        const Bytes entry = table.subspan(offset, header->length);
        if (header->type == acpi::MadtEntry::local_apic) add_processor<acpi::MadtLocalApic>(entry, result);
        if (header->type == acpi::MadtEntry::local_x2apic) add_processor<acpi::MadtLocalX2Apic>(entry, result);
        if (header->type == acpi::MadtEntry::io_apic) add_io_apic(entry, result);
        if (header->type == acpi::MadtEntry::interrupt_override) add_override(entry, result);
        offset += header->length;
    }
}

void parse_fadt(Bytes table, AcpiInformation& result) {
    const auto fadt = read_at<acpi::Fadt>(table, 0);
    if (!fadt) return;
    if (fadt->pm_timer <= UINT16_MAX) result.pm_timer_port = static_cast<uint16_t>(fadt->pm_timer);
    result.pm_timer_32_bits = acpi::Fadt::PmTimer32Bits::read(fadt->flags);
}

}  // namespace

void parse_acpi(Bytes root_pointer, acpi::PhysicalView view, AcpiInformation& result) {
    const auto root = read_at<acpi::RootPointer>(root_pointer, 0);
    if (!root || std::string_view{root->signature, sizeof(root->signature)} != "RSD PTR ") return;
    if (!acpi::sums_to_zero(root_pointer.first(sizeof(acpi::RootPointer)))) return;
    const auto use_root = [&](PhysicalAddress address, std::string_view signature) {
        const Bytes list = acpi::table_at(address, view);
        if (!acpi::is_table(list, signature)) return false;
        result.root_table = address;
        acpi::for_each_table(list, view, [&](Bytes table) {
            if (acpi::is_table(table, "APIC")) parse_madt(table, result);
            if (acpi::is_table(table, "FACP")) parse_fadt(table, result);
        });
        return true;
    };
    const auto xsdt = read_at<uint64_t>(root_pointer, acpi::RootPointer::xsdt_offset);
    if (root->revision >= 2 && xsdt && use_root(PhysicalAddress{*xsdt}, "XSDT")) return;
    (void)use_root(PhysicalAddress{root->rsdt}, "RSDT");
}

}  // namespace bulkhead::kernel
