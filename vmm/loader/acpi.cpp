// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/acpi.hpp"

#include <array>

#include "vmm/device/legacy/power.hpp"
#include "vmm/device/legacy/rtc.hpp"
#include "vmm/device/legacy/uart.hpp"
#include "vmm/device/pci/bus.hpp"
#include "vmm/loader/aml.hpp"
#include "vmm/vm/layout.hpp"

namespace bulkhead::vmm {
namespace {

struct [[gnu::packed]] Header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
};
static_assert(sizeof(Header) == 36);

struct [[gnu::packed]] GenericAddress {
    uint8_t space;
    uint8_t width_bits;
    uint8_t offset_bits;
    uint8_t access;
    uint64_t address;
};
constexpr GenericAddress byte_port(uint16_t port) { return {1, 8, 0, 1, port}; }

struct [[gnu::packed]] Rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum;
    uint8_t reserved[3];
};
static_assert(sizeof(Rsdp) == 36);
constexpr std::size_t rsdp_first_part = 20;

struct [[gnu::packed]] Fadt {
    Header header;
    uint32_t firmware_control;
    uint32_t dsdt;
    uint8_t legacy_fields[64];  // fixed hardware, which is not there
    uint8_t century;            // CMOS index of the century
    uint16_t boot_architecture;
    uint8_t reserved;
    uint32_t flags;
    GenericAddress reset_register;
    uint8_t reset_value;
    uint16_t arm_boot_architecture;
    uint8_t minor_revision;
    uint64_t x_firmware_control;
    uint64_t x_dsdt;
    GenericAddress legacy_registers[8];
    GenericAddress sleep_control;
    GenericAddress sleep_status;
    uint64_t hypervisor_vendor;
};
static_assert(offsetof(Fadt, century) == 108 && offsetof(Fadt, boot_architecture) == 109 && offsetof(Fadt, flags) == 112);
static_assert(offsetof(Fadt, reset_register) == 116 && offsetof(Fadt, x_dsdt) == 140);
static_assert(offsetof(Fadt, sleep_control) == 244 && sizeof(Fadt) == 276);

constexpr uint16_t boot_no_vga = 1 << 2;
constexpr uint32_t flag_wbinvd = 1 << 0;
constexpr uint32_t flag_no_fixed_power_button = 1 << 4;
constexpr uint32_t flag_no_fixed_sleep_button = 1 << 5;
constexpr uint32_t flag_reset_register = 1 << 10;
constexpr uint32_t flag_hardware_reduced = 1 << 20;
constexpr uint8_t cmos_century = 0x32;

struct [[gnu::packed]] MadtLocalApic {
    uint8_t type = 0;
    uint8_t length = 8;
    uint8_t processor = 0;
    uint8_t apic_id = 0;
    uint32_t flags = 1;  // enabled
};
struct [[gnu::packed]] MadtIoapic {
    uint8_t type = 1;
    uint8_t length = 12;
    uint8_t id = 0;
    uint8_t reserved = 0;
    uint32_t address = Layout::ioapic;
    uint32_t first_interrupt = 0;
};
struct [[gnu::packed]] MadtLocalNmi {
    uint8_t type = 4;
    uint8_t length = 6;
    uint8_t processor = 0xff;  // all
    uint16_t flags = 0;
    uint8_t input = 1;
};

struct [[gnu::packed]] McfgEntry {
    uint64_t base = Layout::ecam;
    uint16_t segment = 0;
    uint8_t first_bus = 0;
    uint8_t last_bus = 0;
    uint32_t reserved = 0;
};

uint8_t checksum(std::span<const std::byte> bytes) {
    unsigned sum = 0;
    for (const std::byte value : bytes) sum += static_cast<unsigned>(value);
    return static_cast<uint8_t>(0 - sum);
}

Header header(std::string_view signature, uint8_t revision) {
    Header result{{}, 0, revision, 0, {'B', 'U', 'L', 'K', 'H', 'D'}, {'M', 'I', 'C', 'R', 'O', ' ', ' ', ' '}, 1,
                  {'B', 'L', 'K', 'H'}, 1};
    __builtin_memcpy(result.signature, signature.data(), sizeof(result.signature));
    return result;
}

/// Appends tables to a buffer; each begins at a multiple of 16.
class TableWriter {
  public:
    TableWriter(std::span<std::byte> buffer, uint64_t address) : buffer_{buffer}, address_{address} {}

    uint64_t begin() {
        size_ = static_cast<std::size_t>(align_up(size_, 16));
        start_ = size_;
        return address_ + start_;
    }
    template <typename T>
    void append(const T& value) {
        if (sizeof(T) > buffer_.size() - size_ || size_ > buffer_.size()) {
            overflowed_ = true;
            return;
        }
        __builtin_memcpy(buffer_.data() + size_, &value, sizeof(T));
        size_ += sizeof(T);
    }
    std::span<std::byte> rest() const { return size_ > buffer_.size() ? std::span<std::byte>{} : buffer_.subspan(size_); }
    void advance(std::size_t bytes) { size_ += bytes; }
    /// Fills in length and checksum of the table begun last.
    void finish() {
        if (overflowed_ || size_ > buffer_.size()) {
            overflowed_ = true;
            return;
        }
        const uint32_t length = static_cast<uint32_t>(size_ - start_);
        const auto table = buffer_.subspan(start_, length);
        __builtin_memcpy(table.data() + offsetof(Header, length), &length, sizeof(length));
        table[offsetof(Header, checksum)] = std::byte{checksum(table)};
    }
    bool overflowed() const { return overflowed_; }
    std::size_t size() const { return size_; }

  private:
    std::span<std::byte> buffer_;
    uint64_t address_;
    std::size_t start_ = 0;
    std::size_t size_ = 0;
    bool overflowed_ = false;
};

void write_pci(AmlWriter& aml) {
    const auto bridge = aml.device("PCI0");
    aml.name("_HID");
    aml.eisa_id("PNP0A08");
    aml.name("_CID");
    aml.eisa_id("PNP0A03");
    for (const std::string_view zero : {"_SEG", "_BBN", "_UID"}) {
        aml.name(zero);
        aml.integer(0);
    }
    aml.name("_CRS");
    const auto resources = aml.resources();
    aml.bus_numbers(0, 0);
    aml.io_window(PciBus::io_window_start, static_cast<uint16_t>(PciBus::io_window_start + PciBus::io_window_count - 1));
    aml.memory_window(Layout::pci_memory, static_cast<uint32_t>(Layout::pci_memory + Layout::pci_memory_bytes - 1));
    aml.close(resources);
    aml.close(bridge);

    // Linux uses ECAM only where the firmware has reserved its memory.
    const auto board = aml.device("MRES");
    aml.name("_HID");
    aml.eisa_id("PNP0C02");
    aml.name("_CRS");
    const auto reserved = aml.resources();
    aml.memory_fixed(Layout::ecam, Layout::ecam_bytes);
    aml.io_ports(PowerPorts::first, PowerPorts::count);
    aml.close(reserved);
    aml.close(board);
}

void write_legacy(AmlWriter& aml, bool has_com1) {
    if (has_com1) {
        const auto com1 = aml.device("COM1");
        aml.name("_HID");
        aml.eisa_id("PNP0501");
        aml.name("_UID");
        aml.integer(1);
        aml.name("_CRS");
        const auto resources = aml.resources();
        aml.io_ports(Layout::com1_port, Uart::port_count);
        aml.interrupt(Layout::com1_line, false);
        aml.close(resources);
        aml.close(com1);
    }
    const auto clock = aml.device("RTC0");
    aml.name("_HID");
    aml.eisa_id("PNP0B00");
    aml.name("_CRS");
    const auto resources = aml.resources();
    aml.io_ports(Rtc::first_port, Rtc::port_count);
    aml.close(resources);
    aml.close(clock);
}

/// Power button: the generic event device's interrupt runs _EVT, which asks the event register what happened.
void write_events(AmlWriter& aml) {
    const auto button = aml.device("PWRB");
    aml.name("_HID");
    aml.eisa_id("PNP0C0C");
    aml.close(button);

    const auto events = aml.device("GED0");
    aml.name("_HID");
    aml.string("ACPI0013");
    aml.name("_CRS");
    const auto resources = aml.resources();
    aml.interrupt(Layout::event_line, true);
    aml.close(resources);
    aml.io_region("EREG", PowerPorts::events, 4);
    const auto field = aml.field("EREG", true);
    aml.field_element("EVTS", 32);
    aml.close(field);
    const auto method = aml.method("_EVT", 1, true);
    aml.store();
    aml.path("EVTS");
    aml.local(0);
    aml.store();
    aml.local(0);
    aml.path("EVTS");
    const auto pressed = aml.if_true();
    aml.bitwise_and();
    aml.local(0);
    aml.integer(PowerPorts::power_button);
    aml.null_target();
    aml.notify();
    aml.path("PWRB");
    aml.integer(0x80);
    aml.close(pressed);
    aml.close(method);
    aml.close(events);
}

void write_processors(AmlWriter& aml, unsigned count) {
    for (unsigned index = 0; index < count; ++index) {
        const std::array<char, 4> name = {'C', '0', '0', static_cast<char>('0' + index)};
        const auto processor = aml.device({name.data(), name.size()});
        aml.name("_HID");
        aml.string("ACPI0007");
        aml.name("_UID");
        aml.integer(index);
        aml.close(processor);
    }
}

void append_dsdt(TableWriter& tables, const AcpiConfiguration& configuration) {
    tables.append(header("DSDT", 2));
    AmlWriter aml{tables.rest()};
    const auto scope = aml.scope("\\_SB");
    write_pci(aml);
    write_legacy(aml, configuration.has_com1);
    write_events(aml);
    write_processors(aml, configuration.vcpu_count);
    aml.close(scope);
    aml.name("\\_S5");
    const auto package = aml.package(4);
    aml.integer(PowerPorts::sleep_type_off);
    for (int index = 0; index < 3; ++index) aml.integer(0);
    aml.close(package);
    // What did not fit makes the table too large, too.
    tables.advance(aml.overflowed() ? tables.rest().size() + 1 : aml.size());
    tables.finish();
}

uint64_t append_fadt(TableWriter& tables, uint64_t dsdt) {
    const uint64_t place = tables.begin();
    Fadt fadt{};
    fadt.header = header("FACP", 6);
    fadt.dsdt = static_cast<uint32_t>(dsdt);
    fadt.century = cmos_century;
    fadt.boot_architecture = boot_no_vga;
    fadt.flags = flag_wbinvd | flag_no_fixed_power_button | flag_no_fixed_sleep_button | flag_reset_register |
                 flag_hardware_reduced;
    fadt.reset_register = byte_port(PowerPorts::reset_control);
    fadt.reset_value = PowerPorts::reset_value;
    fadt.minor_revision = 4;
    fadt.x_dsdt = dsdt;
    fadt.sleep_control = byte_port(PowerPorts::sleep_control);
    fadt.sleep_status = byte_port(PowerPorts::sleep_status);
    tables.append(fadt);
    tables.finish();
    return place;
}

uint64_t append_madt(TableWriter& tables, const AcpiConfiguration& configuration) {
    const uint64_t place = tables.begin();
    tables.append(header("APIC", 5));
    tables.append(static_cast<uint32_t>(Layout::local_apic));
    tables.append(uint32_t{0});  // no 8259s
    for (unsigned index = 0; index < configuration.vcpu_count; ++index) {
        tables.append(MadtLocalApic{.processor = static_cast<uint8_t>(index), .apic_id = static_cast<uint8_t>(index)});
    }
    tables.append(MadtIoapic{});
    tables.append(MadtLocalNmi{});
    tables.finish();
    return place;
}

uint64_t append_mcfg(TableWriter& tables) {
    const uint64_t place = tables.begin();
    tables.append(header("MCFG", 1));
    tables.append(uint64_t{0});
    tables.append(McfgEntry{});
    tables.finish();
    return place;
}

void write_rsdp(std::span<std::byte> place, uint64_t xsdt) {
    Rsdp rsdp{{'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '}, 0, {'B', 'U', 'L', 'K', 'H', 'D'}, 2, 0, sizeof(Rsdp), xsdt, 0, {}};
    __builtin_memcpy(place.data(), &rsdp, sizeof(rsdp));
    place[offsetof(Rsdp, checksum)] = std::byte{checksum(place.first(rsdp_first_part))};
    place[offsetof(Rsdp, extended_checksum)] = std::byte{checksum(place.first(sizeof(rsdp)))};
}

}  // namespace

Result<std::size_t, AcpiError> build_dsdt(std::span<std::byte> buffer, const AcpiConfiguration& configuration) {
    TableWriter tables{buffer, 0};
    tables.begin();
    append_dsdt(tables, configuration);
    if (tables.overflowed()) return AcpiError::TooLarge;
    return tables.size();
}

Result<std::size_t, AcpiError> build_acpi_tables(std::span<std::byte> buffer, GuestPhysicalAddress address,
                                                 const AcpiConfiguration& configuration) {
    TableWriter tables{buffer, address.value()};
    tables.append(Rsdp{});
    const uint64_t dsdt = tables.begin();
    append_dsdt(tables, configuration);
    const uint64_t fadt = append_fadt(tables, dsdt);
    const uint64_t madt = append_madt(tables, configuration);
    const uint64_t mcfg = append_mcfg(tables);
    const uint64_t xsdt = tables.begin();
    tables.append(header("XSDT", 1));
    for (const uint64_t table : {fadt, madt, mcfg}) tables.append(table);
    tables.finish();
    if (tables.overflowed()) return AcpiError::TooLarge;
    write_rsdp(buffer, xsdt);
    return tables.size();
}

}  // namespace bulkhead::vmm
