// SPDX-License-Identifier: Apache-2.0
// The first domain: it gets everything the machine has, as capabilities, and the list of it in `RootInformation`. The
// program is boot module `init`, a static ELF64 image (System V ABI, object files; AMD64 supplement). Boot modules are
// hostile input: every offset and size is checked before it is used. From here on the kernel has no policy.
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/memory/kernel_pages.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/machine.hpp"
#include "kernel/object/memory_object.hpp"
#include "kernel/platform/boot_information.hpp"
#include "kernel/platform/halt.hpp"
#include "kernel/platform/timer.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {
namespace {

constexpr const char* why_boot = "nothing is in use yet when the root task is made";
constexpr uint32_t root_slots = 8192;
constexpr Range stack_range = Range::between(abi::root_stack_top - 16 * page_size_bytes, abi::root_stack_top);
constexpr Range information_range =
    Range::between(abi::root_information_address,
                   abi::root_information_address + align_up(sizeof(abi::RootInformation), page_size_bytes));
static_assert(information_range.end() <= abi::stub_page_address);

// ---- The program ----------------------------------------------------------------------------------------------------

struct ElfHeader {
    uint8_t identification[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_bytes, program_header_bytes, program_header_count, unused_3a[3];
};
static_assert(sizeof(ElfHeader) == 64);

struct ProgramHeader {
    uint32_t type, flags;
    uint64_t offset, address, physical_address, file_bytes, memory_bytes, alignment;
};
static_assert(sizeof(ProgramHeader) == 56);

constexpr uint8_t expected_identification[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};  // 64 bits, little endian, version 1
constexpr uint16_t executable_type = 2;
constexpr uint16_t x86_64_machine = 62;
constexpr uint32_t load_type = 1;
constexpr uint32_t execute_flag = 1;
constexpr uint32_t write_flag = 2;
constexpr uint64_t maximum_segment_bytes = 4 << 20;  // an allocation of the kernel's pool

[[noreturn]] void refuse_program(const char* why) {
    log("bulkhead: boot module init is not usable: {}", why);
    system_halt(1);
}

/// RAM of the root domain's own: fresh pages of the kernel's pool, mapped for good at `range`.
abi::Result<std::byte*> map_root_pages(Domain& root, const Range& range, x86::PageAccess access) {
    unsigned order = 0;
    while ((page_size_bytes << order) < range.size()) ++order;
    void* pages = TRY(root.heap().allocate_pages(order));
    const Range physical = *Range::create(physical_of(pages).value(), range.size());
    auto* memory = TRY(root.make<MemoryObject>(nullptr, physical, MemoryObject::Kind::Ram, false));
    TRY(root.space().map(range, *memory, 0, access));
    std::optional<abi::Status> status;
    while (!status) status = LongOperation::step();
    if (*status != abi::Status::Ok) return *status;
    return static_cast<std::byte*>(pages);
}

void load_segment(Domain& root, Bytes image, const ProgramHeader& header) {
    if (header.offset > image.size() || header.file_bytes > image.size() - header.offset)
        refuse_program("a segment lies outside the file");
    if (header.memory_bytes < header.file_bytes) refuse_program("a segment is smaller in memory than in the file");
    if (header.memory_bytes > maximum_segment_bytes) refuse_program("a segment is larger than 4 MiB");
    if (header.address < abi::program_base_address || header.address >= abi::user_address_limit - header.memory_bytes)
        refuse_program("a segment lies below the program base or above the user limit");
    const bool write = (header.flags & write_flag) != 0, execute = (header.flags & execute_flag) != 0;
    if (write && execute) refuse_program("a segment is both writable and executable");
    const Range pages = Range::between(align_down(header.address, page_size_bytes),
                                       align_up(header.address + header.memory_bytes, page_size_bytes));
    const auto content = map_root_pages(root, pages, {.write = write, .execute = execute});
    if (!content.ok()) refuse_program("two segments share a page, or there is no memory for one");
    std::memcpy(content.value() + (header.address - pages.start()), image.data() + header.offset, header.file_bytes);
}

/// Loads the program in an image; returns its entry point.
uint64_t load_program(Domain& root, Bytes image) {
    const auto header = read_at<ElfHeader>(image, 0);
    if (!header) refuse_program("the file is shorter than an ELF header");
    if (std::memcmp(header->identification, expected_identification, sizeof expected_identification) != 0 ||
        header->type != executable_type || header->machine != x86_64_machine)
        refuse_program("it is not a static x86-64 ELF executable");
    bool loaded = false;
    for (unsigned index = 0; index < header->program_header_count; ++index) {
        const auto segment = read_at<ProgramHeader>(image, header->program_headers + index * sizeof(ProgramHeader));
        if (!segment) refuse_program("the program headers lie outside the file");
        if (segment->type != load_type || segment->memory_bytes == 0) continue;
        load_segment(root, image, *segment);
        loaded = true;
    }
    if (!loaded) refuse_program("it has no segment to load");
    return header->entry;
}

// ---- What it gets ---------------------------------------------------------------------------------------------------

/// Fills the list, and the root domain's slots with what it names.
void describe(Domain& root, const BootInformation& boot, abi::RootInformation& information) {
    abi::Selector next = abi::WellKnownSlot::Self;
    const auto add = [&](Object& object, abi::Rights rights = abi::all_rights) {
        root.publish(next, object, rights).unwrap(why_boot);
        return next++;
    };
    const auto add_memory = [&](const Range& range, MemoryObject::Kind kind, abi::Rights rights = abi::all_rights) {
        return add(*root.make<MemoryObject>(nullptr, range, kind, false).unwrap(why_boot), rights);
    };
    /// The largest of the ranges, as many as the list can name.
    const auto add_list = [&](const BootRegions& ranges, MemoryObject::Kind kind, std::span<abi::RootMemory> list) {
        uint32_t count = 0;
        for (const Range& range : ranges)
            if (count < list.size()) list[count++] = {range.start(), range.size(), add_memory(range, kind), 0};
        return count;
    };
    add(root);
    static_assert(abi::WellKnownSlot::Machine == abi::WellKnownSlot::Self + 1);
    add(*root.make<Machine>().unwrap(why_boot));
    static_assert(abi::WellKnownSlot::Ports == abi::WellKnownSlot::Machine + 1);
    add(*root.make<PortRange>(nullptr, uint16_t{0}, PortRange::port_count).unwrap(why_boot));
    static_assert(abi::WellKnownSlot::DeviceMemory == abi::WellKnownSlot::Ports + 1);
    information.device_count = add_list(boot.devices, MemoryObject::Kind::Device, information.devices);
    next = abi::WellKnownSlot::FirstFree;
    information.memory_count = add_list(boot.free, MemoryObject::Kind::Ram, information.memories);
    for (const BootModule& module : boot.multiboot.modules) {
        const Range pages = Range::between(module.physical.start(), align_up(module.physical.end(), page_size_bytes));
        constexpr abi::Rights rights = abi::Right::Derive | abi::MemoryRight::Read | abi::MemoryRight::Execute;
        abi::RootModule& entry = information.modules[information.module_count++];
        entry = module.entry;
        entry.selector = add_memory(pages, MemoryObject::Kind::Ram, rights);
    }
    information.magic = abi::RootInformation::expected_magic;
    information.cpu_count = cpu_count();
    information.first_free_slot = next;
    information.capability_slots = root_slots;
    information.acpi_root_table = boot.acpi.root_table.value();
    copy_text(information.command_line, boot.multiboot.command_line);
}

/// Gets this CPU ready to run threads.
void start_scheduling(Cpu& cpu) {
    Scheduler::initialise(cpu);
    enable_system_calls(cpu);
    FpuState::initialize_cpu();
    initialize_virtualization();
}

}  // namespace

[[noreturn]] void start_root_task(const BootInformation& boot) {
    const auto& modules = boot.multiboot.modules;
    const BootModule* init = std::ranges::find(
        modules, "init", [](const BootModule& module) -> std::string_view { return module.entry.name; });
    if (init == modules.end()) refuse_machine("no boot module named init: add one to the boot loader's configuration");
    ObjectTable::initialise();
    FpuState::detect();
    detect_virtualization();
    make_stub_page({.tsc_hz = tsc_hz(),
                    .cpu_count = cpu_count(),
                    .vendor = cpu_features().vendor,
                    .virtualization = virtualization(),
                    .reserved = 0});
    const uint64_t quota = kernel_pages_free() - kernel_pages_free() / 16;  // the rest covers the kernel's own tables
    Domain& root = Domain::create_root(quota, root_slots);
    void* place = map_root_pages(root, information_range, {}).unwrap(why_boot);
    auto* information = new (place) abi::RootInformation{};
    describe(root, boot, *information);
    const auto* image = direct_map<std::byte>(PhysicalAddress{init->physical.start()});
    const uint64_t entry = load_program(root, {image, init->physical.size()});
    (void)map_root_pages(root, stack_range, {.write = true}).unwrap(why_boot);
    const abi::CreateThread wanted{.owner = abi::null_selector,
                                   .slot = abi::null_selector,
                                   .cpu = 0,
                                   .entry = entry,
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
    Scheduler::current().leave_kernel();
}

[[noreturn]] void cpu_idle_forever(Cpu& cpu) {
    start_scheduling(cpu);
    Scheduler::current().leave_kernel();
}

}  // namespace bulkhead::kernel
