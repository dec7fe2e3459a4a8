// SPDX-License-Identifier: Apache-2.0
// The kernel's way up, on the bootstrap processor: understand the machine while the boot tables show the first 4 GiB,
// build the kernel's own tables, move to the CPU's own stack, start the other CPUs, start the root task.
#include "hw/x86/acpi.hpp"
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/memory/kernel_space.hpp"
#include "kernel/platform/debug_uart.hpp"
#include "kernel/platform/io_apic.hpp"
#include "kernel/platform/local_apic.hpp"
#include "kernel/platform/memory_plan.hpp"
#include "kernel/platform/timer.hpp"

namespace bulkhead::kernel {
namespace {

constexpr uint64_t boot_tables_end = uint64_t{4} << 30;
constexpr std::size_t max_multiboot_bytes = 1u << 20;
constexpr uint64_t mib = 1u << 20;

constinit BootInformation information;
constinit MultibootInformation multiboot;
constinit AcpiInformation acpi;

/// Physical memory as the boot tables show it: the first 4 GiB.
Bytes boot_view(PhysicalAddress address, std::size_t size) {
    if (size > boot_tables_end || address.value() > boot_tables_end - size) return {};
    return {direct_map<const std::byte>(address), size};
}

void read_multiboot(PhysicalAddress address) {
    const auto header = read_at<x86::MultibootHeader>(boot_view(address, sizeof(x86::MultibootHeader)), 0);
    if (!header || header->total_size > max_multiboot_bytes) refuse_machine("the boot loader's information is damaged");
    parse_multiboot(boot_view(address, header->total_size), multiboot);
    if (multiboot.dropped_modules != 0) log("bulkhead: {} boot modules too many, left out", multiboot.dropped_modules);
    information.modules = multiboot.modules;
    copy_text(information.command_line, multiboot.command_line);
}

/// The boot loader has a copy of the root pointer, UEFI's only there; the BIOS keeps it in its own memory.
void read_acpi() {
    Bytes root_pointer = multiboot.root_pointer;
    if (root_pointer.empty()) root_pointer = boot_view(find_acpi_root_pointer(boot_view), sizeof(x86::acpi::RootPointer));
    parse_acpi(root_pointer, boot_view, acpi);
    information.acpi_root_table = acpi.root_table;
    if (acpi.apic_ids.empty()) log("bulkhead: no ACPI table of processors; using one CPU and no interrupt lines");
    if (acpi.dropped_processors != 0) log("bulkhead: {} processors too many, left out", acpi.dropped_processors);
    set_power_off(acpi.power_off);
}

void copy_largest(const BootRegions& from, StaticVector<Range, BootInformation::max_ranges>& to) {
    for (const Range& range : from)
        if (!to.push_back(range)) return;
}

void set_up_memory() {
    StaticVector<Range, 16> controllers;
    const auto add_page = [&](PhysicalAddress address) {
        (void)controllers.push_back(*Range::create(address.align_down(page_size_bytes).value(), page_size_bytes));
    };
    add_page(acpi.local_apic);
    for (const IoApicDescription& io_apic : acpi.io_apics) add_page(io_apic.address);
    const auto plan = plan_memory(multiboot, image_range(), {controllers.begin(), controllers.end()},
                                  cpu_features().physical_address_bits);
    if (!plan) refuse_machine("too little memory: the kernel needs 16 MiB in one piece below 4 GiB");
    information.kernel_pool = plan->kernel_pool;
    copy_largest(plan->free, information.memory);
    copy_largest(plan->devices, information.devices);
    initialize_kernel_pages(plan->kernel_pool);
    build_kernel_space({plan->direct_map.begin(), plan->direct_map.end()});
}

void print_summary() {
    uint64_t free_bytes = 0;
    for (const Range& range : information.memory) free_bytes += range.size();
    log("bulkhead: {} MiB for the kernel, {} MiB for programs, {} modules", information.kernel_pool.size() / mib,
        free_bytes / mib, information.modules.size());
    log("bulkhead: TSC {} kHz, {}, {} timer", information.tsc_hz / 1000, LocalApic::is_x2apic() ? "x2APIC" : "xAPIC",
        cpu_features().tsc_deadline ? "TSC-deadline" : "one-shot");
    for (unsigned id = 0; id < cpu_count(); ++id) log("bulkhead: CPU {}: APIC ID {}, online", id, Cpu::at(id).apic_id);
}

/// The second half of boot, on the bootstrap processor's own stack.
[[noreturn]] void boot_on_own_stack() {
    Cpu& cpu = Cpu::current();
    set_up_this_cpu(cpu);
    LocalApic::choose_mode(acpi.local_apic);
    LocalApic::enable();
    cpu.apic_id = LocalApic::id();
    IoApics::initialize(acpi);
    calibrate_timers(acpi);
    information.tsc_hz = tsc_hz();
    timer_enable();
    announce_this_cpu();
    start_other_cpus(acpi);
    print_summary();
    start_root_task(information);
}

}  // namespace

extern "C" [[noreturn]] void kernel_main(uint64_t multiboot_address) {
    DebugUart::initialize();
    log("bulkhead: starting at tick {}", read_tsc());
    detect_cpu_features();
    build_interrupt_table();
    load_interrupt_table();  // exceptions of early boot: no IST before there is a TSS
    read_multiboot(PhysicalAddress{multiboot_address});
    read_acpi();
    set_up_memory();
    const Cpu* cpu = make_cpu(0, 0);
    if (cpu == nullptr) refuse_machine("too little memory for the first CPU");
    cpu_start = {kernel_root(), cpu->kernel_stack_top, boot_on_own_stack};
    enter_cpu();
}

}  // namespace bulkhead::kernel
