// SPDX-License-Identifier: Apache-2.0
#include "servers/init/halt.hpp"

#include "base/range.hpp"
#include "runtime/address_space.hpp"
#include "runtime/object.hpp"
#include "runtime/program.hpp"
#include "runtime/thread.hpp"
#include "runtime/time.hpp"
#include "servers/init/power_off.hpp"
#include "servers/init/say.hpp"

namespace bulkhead::init {
namespace {

/// Firmware keeps its tables where there is no RAM for programs. What is mapped stays so: the machine is about to end.
Bytes view_firmware(PhysicalAddress address, size_t size) {
    const abi::RootInformation& root = *runtime::environment().root;
    const uint64_t first_page = align_down(address.value(), page_size_bytes);
    const uint64_t bytes = align_up(address.page_offset() + size, page_size_bytes);
    const auto pages = Range::create(first_page, bytes);
    for (uint32_t index = 0; pages && index < root.device_count && index < abi::max_root_devices; ++index) {
        const abi::RootMemory& memory = root.devices[index];
        const auto range = Range::create(memory.physical_address, memory.size_bytes);
        if (!range || !range->contains(*pages)) continue;
        const auto place = runtime::allocate_addresses(bytes);
        if (!place.ok()) return {};
        const uint64_t offset = first_page - memory.physical_address;
        if (!runtime::Memory{memory.selector}.map(place.value(), offset, bytes, runtime::read_only).ok()) return {};
        return {reinterpret_cast<const std::byte*>(place.value() + address.page_offset()), size};
    }
    return {};
}

void write_port(uint16_t port, uint16_t value) { asm volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }

void power_off() {
    const auto wanted = find_power_off(PhysicalAddress{runtime::environment().root->acpi_root_table}, view_firmware);
    if (!wanted) return say("ACPI does not tell how to switch the machine off: do it by hand");
    const auto mapped = runtime::Ports{abi::WellKnownSlot::Ports}.map();
    if (!mapped.ok()) return say("cannot use the ports that switch the machine off: {}", mapped.error());
    write_port(wanted->port_a, wanted->command_a);
    if (wanted->port_b != 0) write_port(wanted->port_b, wanted->command_b);
    runtime::sleep_for(runtime::ns_per_second);
    say("the machine does not switch itself off: do it by hand");
}

}  // namespace

void halt_machine(uint8_t status) {
    static_cast<void>(runtime::invoke(abi::Halt{abi::WellKnownSlot::Machine, status}));
    power_off();
    runtime::stop_this_thread();
}

}  // namespace bulkhead::init
