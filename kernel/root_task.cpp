// SPDX-License-Identifier: Apache-2.0
// The first domain: it gets everything the machine has, as capabilities, and the list of it in `RootInformation`. The
// program is boot module `init`, a static ELF64 image. From here on the kernel has no policy.
#include "kernel/arch/x86_64/features.hpp"
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/machine.hpp"
#include "kernel/object/memory_object.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/platform/timer.hpp"
#include "kernel/root_program.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

constexpr const char* why_boot = "nothing is in use yet when the root task is made";
constexpr uint32_t root_slots = 8192;
constexpr uint64_t stack_bytes = 16 * page_size_bytes;
constexpr Range stack_range = Range::between(abi::root_stack_top - stack_bytes, abi::root_stack_top);
constexpr Range information_range = Range::between(
    abi::root_information_address, abi::root_information_address + align_up(sizeof(abi::RootInformation), page_size_bytes));
static_assert(information_range.end() <= abi::stub_page_address);

static MemoryObject& make_memory(Domain& root, const Range& range, MemoryObject::Kind kind) {
    return *root.make<MemoryObject>(nullptr, range, kind, false).unwrap(why_boot);
}

static void describe(Domain& root, const BootInformation& boot, abi::RootInformation& information) {
    abi::Selector next = abi::WellKnownSlot::Self;
    const auto add = [&](Object& object, abi::Rights rights = abi::all_rights) {
        root.publish(next, object, rights).unwrap(why_boot);
        return next++;
    };
    add(root);
    static_assert(abi::WellKnownSlot::Machine == abi::WellKnownSlot::Self + 1);
    add(*root.make<Machine>().unwrap(why_boot));
    static_assert(abi::WellKnownSlot::Ports == abi::WellKnownSlot::Machine + 1);
    add(*root.make<PortRange>(nullptr, uint16_t{0}, PortRange::port_count).unwrap(why_boot));
    static_assert(abi::WellKnownSlot::DeviceMemory == abi::WellKnownSlot::Ports + 1);
    static_assert(BootInformation::max_ranges <= abi::max_root_devices);
    const auto memory = [&](const Range& range, MemoryObject::Kind kind) {
        return abi::RootMemory{range.start(), range.size(), add(make_memory(root, range, kind)), 0};
    };
    for (const Range& range : boot.devices)
        information.devices[information.device_count++] = memory(range, MemoryObject::Kind::Device);
    next = abi::WellKnownSlot::FirstFree;
    for (const Range& range : boot.memory)
        information.memories[information.memory_count++] = memory(range, MemoryObject::Kind::Ram);
    for (const BootModule& module : boot.modules) {
        const Range pages = Range::between(module.physical.start(), align_up(module.physical.end(), page_size_bytes));
        abi::RootModule& entry = information.modules[information.module_count++];
        entry.size_bytes = module.physical.size();
        constexpr abi::Rights rights = abi::Right::Derive | abi::MemoryRight::Read | abi::MemoryRight::Execute;
        if (!pages.empty()) entry.selector = add(make_memory(root, pages, MemoryObject::Kind::Ram), rights);
        copy_text(entry.name, module.name);
        copy_text(entry.arguments, module.arguments);
    }
    information.magic = abi::RootInformation::expected_magic;
    information.cpu_count = cpu_count();
    information.first_free_slot = next;
    information.capability_slots = root_slots;
    information.acpi_root_table = boot.acpi_root_table.value();
    copy_text(information.command_line, boot.command_line);
}

static const BootModule* find_module(const BootInformation& boot, std::string_view name) {
    for (const BootModule& module : boot.modules)
        if (module.name == name) return &module;
    return nullptr;
}

/// Gets this CPU ready to run threads.
static void start_scheduling(Cpu& cpu) {
    Scheduler::initialise(cpu);
    enable_system_calls(cpu);
    fpu::initialize_cpu();
    initialize_virtualization();
}

[[noreturn]] void start_root_task(const BootInformation& boot) {
    const BootModule* module = find_module(boot, "init");
    if (module == nullptr) {
        log("bulkhead: no boot module named init: add one to the boot loader's configuration");
        system_halt(1);
    }
    ObjectTable::initialise();
    fpu::detect();
    detect_virtualization();
    make_stub_page({.tsc_hz = boot.tsc_hz,
                    .cpu_count = cpu_count(),
                    .vendor = cpu_features().vendor,
                    .virtualization = virtualization(),
                    .reserved = 0});
    const uint64_t quota = kernel_pages_free() - kernel_pages_free() / 16;  // the rest covers the kernel's own tables
    Domain& root = Domain::create_root(quota, root_slots);
    void* place = map_root_pages(root, information_range, {.user = true}).unwrap(why_boot);
    auto* information = new (place) abi::RootInformation{};
    describe(root, boot, *information);
    const auto* image = direct_map<std::byte>(PhysicalAddress{module->physical.start()});
    const auto entry = load_root_program(root, {image, module->physical.size()});
    if (!entry.ok()) {
        log("bulkhead: boot module init is not usable: {}", entry.error());
        system_halt(1);
    }
    (void)map_root_pages(root, stack_range, {.write = true, .user = true}).unwrap(why_boot);
    const abi::CreateThread wanted{.owner = abi::null_selector,
                                   .slot = abi::null_selector,
                                   .cpu = 0,
                                   .entry = entry.value(),
                                   .stack = abi::root_stack_top,
                                   .message_buffer = abi::root_message_buffer_address,
                                   .argument = abi::root_information_address,
                                   .exception_portal = abi::null_selector,
                                   .flags = 0};
    Thread* thread = Thread::create(root, wanted, 0).unwrap(why_boot);
    const SchedulingContext::Parameters parameters{.priority = abi::priorities / 2, .budget = 0, .period = 0};
    SchedulingContext* context = root.make<SchedulingContext>(*thread, parameters).unwrap(why_boot);
    information->quota_pages = root.heap().free_pages();
    release_other_cpus();  // now that all that they share is there
    start_scheduling(Cpu::current());
    context->start();
    Scheduler::current().run();
}

[[noreturn]] void cpu_idle_forever(Cpu& cpu) {
    start_scheduling(cpu);
    Scheduler::current().run();
}

}  // namespace bulkhead::kernel
