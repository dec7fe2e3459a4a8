// SPDX-License-Identifier: Apache-2.0
// The first domain: it gets everything the machine has, as capabilities, and the list of it in `RootInformation`. The
// program is boot module `init`, a static ELF64 image. From here on the kernel has no policy.
#include <cstring>
#include <new>

#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/object/create.hpp"
#include "kernel/object/machine.hpp"
#include "kernel/object/memory_object.hpp"
#include "kernel/object/port_range.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/platform/boot_information.hpp"
#include "kernel/platform/halt.hpp"
#include "kernel/platform/timer.hpp"
#include "kernel/root_program.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

namespace {

constexpr const char* why_boot = "nothing is in use yet when the root task is made";
constexpr uint32_t root_slots = 8192;
constexpr uint64_t stack_bytes = 16 * page_size_bytes;
constexpr unsigned information_order = 3;
static_assert(sizeof(abi::RootInformation) <= page_size_bytes << information_order);
static_assert(abi::root_information_address + (page_size_bytes << information_order) <= abi::stub_page_address);

template <typename T, typename... Arguments>
T& make(Domain& root, Arguments&&... arguments) {
    return *make_object<T>(root, std::forward<Arguments>(arguments)...).unwrap(why_boot);
}

MemoryObject& make_memory(Domain& root, const Range& range, MemoryObject::Kind kind) {
    return make<MemoryObject>(root, nullptr, range, kind, false);
}

void describe(Domain& root, const BootInformation& boot, abi::RootInformation& information) {
    abi::Selector next = abi::WellKnownSlot::Self;
    const auto add = [&](Object& object, abi::Rights rights = abi::all_rights) {
        publish(root, next, object, rights).unwrap(why_boot);
        return next++;
    };
    add(root);
    static_assert(abi::WellKnownSlot::Machine == abi::WellKnownSlot::Self + 1);
    add(make<Machine>(root));
    static_assert(abi::WellKnownSlot::Ports == abi::WellKnownSlot::Machine + 1);
    add(make<PortRange>(root, nullptr, uint16_t{0}, PortRange::port_count));
    static_assert(abi::WellKnownSlot::DeviceMemory == abi::WellKnownSlot::Ports + 1);
    for (const Range& range : boot.devices) {
        if (information.device_count == abi::max_root_devices) break;
        const abi::Selector slot = add(make_memory(root, range, MemoryObject::Kind::Device));
        information.devices[information.device_count++] = {range.start(), range.size(), slot, 0};
    }
    next = abi::WellKnownSlot::FirstFree;
    for (const Range& range : boot.memory) {
        const abi::Selector slot = add(make_memory(root, range, MemoryObject::Kind::Ram));
        information.memories[information.memory_count++] = {range.start(), range.size(), slot, 0};
    }
    for (const BootModule& module : boot.modules) {
        const Range pages =
            Range::between(module.physical.start(), align_up(module.physical.end(), page_size_bytes));
        abi::RootModule& entry = information.modules[information.module_count++];
        entry.size_bytes = module.physical.size();
        entry.selector = pages.empty() ? abi::null_selector
                                       : add(make_memory(root, pages, MemoryObject::Kind::Ram),
                                                   abi::Right::Derive | abi::MemoryRight::Read | abi::MemoryRight::Execute);
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

/// RAM of the root domain's own: fresh pages of the kernel's pool, mapped for good.
std::byte* map_pages(Domain& root, uint64_t address, uint64_t bytes, x86::PageAccess access) {
    unsigned order = 0;
    while ((page_size_bytes << order) < bytes) ++order;
    void* pages = root.heap().allocate_pages(order).unwrap(why_boot);
    const Range physical = *Range::create(physical_of(pages).value(), bytes);
    MemoryObject& memory = make_memory(root, physical, MemoryObject::Kind::Ram);
    LongOperation& mapping = *root.space().map(*Range::create(address, bytes), memory, 0, access).unwrap(why_boot);
    while (!mapping.step()) {
    }
    return static_cast<std::byte*>(pages);
}

void load_program(Domain& root, const RootProgram& program) {
    for (const RootProgram::Segment& segment : program.segments) {
        const Range pages = segment.pages();
        std::byte* content = map_pages(root, pages.start(), pages.size(),
                                       {.write = segment.writable, .execute = segment.executable, .user = true});
        std::memcpy(content + (segment.address - pages.start()), segment.content.data(), segment.content.size());
    }
}

const BootModule* find_module(const BootInformation& boot, std::string_view name) {
    for (const BootModule& module : boot.modules)
        if (module.name == name) return &module;
    return nullptr;
}

/// Gets this CPU ready to run threads.
void start_scheduling(Cpu& cpu) {
    Scheduler::initialise(cpu);
    enable_system_calls(cpu);
    fpu::initialize_cpu();
    initialize_virtualization();
}

}  // namespace

[[noreturn]] void start_root_task(const BootInformation& boot) {
    const BootModule* module = find_module(boot, "init");
    if (module == nullptr) {
        log("bulkhead: no boot module named init: add one to the boot loader's configuration");
        system_halt(1);
    }
    const auto* image = direct_map<std::byte>(PhysicalAddress{module->physical.start()});
    auto program = RootProgram::parse({image, module->physical.size()});
    if (!program.ok()) {
        log("bulkhead: boot module init is not usable: {}", program.error());
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
    void* place =
        map_pages(root, abi::root_information_address, page_size_bytes << information_order, {.user = true});
    auto* information = new (place) abi::RootInformation{};
    describe(root, boot, *information);
    load_program(root, program.value());
    map_pages(root, abi::root_stack_top - stack_bytes, stack_bytes, {.write = true, .user = true});
    Thread* thread = Thread::create(root, {.cpu = 0,
                                           .entry = program.value().entry,
                                           .stack = abi::root_stack_top,
                                           .message_buffer = abi::root_message_buffer_address,
                                           .argument = abi::root_information_address,
                                           .exception_portal = 0,
                                           .handler = false,
                                           .uses_fpu = false})
                         .unwrap(why_boot);
    SchedulingContext& context = make<SchedulingContext>(
        root, *thread, SchedulingContext::Parameters{.priority = abi::priorities / 2, .budget = 0, .period = 0});
    information->quota_pages = root.heap().free_pages();
    release_other_cpus();  // now that all that they share is there
    start_scheduling(Cpu::current());
    context.start();
    Scheduler::current().run();
}

[[noreturn]] void cpu_idle_forever(Cpu& cpu) {
    start_scheduling(cpu);
    Scheduler::current().run();
}

}  // namespace bulkhead::kernel
