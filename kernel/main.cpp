// SPDX-License-Identifier: Apache-2.0
// The kernel's way up, on the bootstrap processor: understand the machine while the boot tables show the first 4 GiB,
// build the kernel's own tables, move to the CPU's own stack, start the other CPUs, start the root task.
#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/memory/kernel_space.hpp"
#include "kernel/platform/boot_information.hpp"
#include "kernel/platform/debug_uart.hpp"
#include "kernel/platform/halt.hpp"
#include "kernel/platform/io_apic.hpp"
#include "kernel/platform/local_apic.hpp"
#include "kernel/platform/timer.hpp"

namespace bulkhead::kernel {
namespace {

constexpr std::size_t max_multiboot_bytes = 1u << 20;
constexpr uint64_t mib = 1u << 20;

constinit BootInformation boot;

/// Physical memory as the boot tables show it: the first 4 GiB.
Bytes boot_view(PhysicalAddress address, std::size_t size) {
    if (size > boot_tables_end || address.value() > boot_tables_end - size) return {};
    return {direct_map<const std::byte>(address), size};
}

void read_multiboot(PhysicalAddress address) {
    const auto header = read_at<x86::MultibootHeader>(boot_view(address, sizeof(x86::MultibootHeader)), 0);
    if (!header || header->total_size > max_multiboot_bytes) refuse_machine("the boot loader's information is damaged");
    parse_multiboot(boot_view(address, header->total_size), boot.multiboot);
    if (boot.multiboot.dropped_modules != 0)
        log("bulkhead: {} boot modules too many, left out", boot.multiboot.dropped_modules);
}

void read_acpi() {
    parse_acpi(boot.multiboot.root_pointer, boot_view, boot.acpi);
    if (boot.acpi.apic_ids.empty()) log("bulkhead: no ACPI table of processors; using one CPU and no interrupt lines");
    if (boot.acpi.dropped_processors != 0)
        log("bulkhead: {} processors too many, left out", boot.acpi.dropped_processors);
}

void set_up_memory() {
    if (!plan_memory(boot, image_range(), cpu_features().physical_address_bits))
        refuse_machine("too little memory: the kernel needs 16 MiB in one piece below 4 GiB");
    initialize_kernel_pages(boot.kernel_pool);
    build_kernel_space({boot.direct_map.begin(), boot.direct_map.end()});
}

void print_summary() {
    log("bulkhead: {} MiB for the kernel, {} MiB for programs, {} modules", boot.kernel_pool.size() / mib,
        boot.free.total_bytes() / mib, boot.multiboot.modules.size());
    log("bulkhead: TSC {} kHz, {}, {} timer", tsc_hz() / 1000, cpu_features().x2apic ? "x2APIC" : "xAPIC",
        cpu_features().tsc_deadline ? "TSC-deadline" : "one-shot");
    for (unsigned id = 0; id < cpu_count(); ++id) log("bulkhead: CPU {}: APIC ID {}, online", id, Cpu::at(id).apic_id);
}

/// The second half of boot, on the bootstrap processor's own stack.
[[noreturn]] void boot_on_own_stack() {
    Cpu& cpu = Cpu::current();
    set_up_this_cpu(cpu);
    LocalApic::choose_mode(boot.acpi.local_apic);
    LocalApic::enable();
    cpu.apic_id = LocalApic::id();
    IoApics::initialize(boot.acpi);
    calibrate_timers(boot.acpi);
    timer_enable();
    announce_this_cpu();
    start_other_cpus(boot.acpi);
    print_summary();
    start_root_task(boot);
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
